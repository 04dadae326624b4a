"""What `deploy/` offers fits the program: commands that exist, settings that are read, an end that is long enough."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from blazz.cli.app import app
from blazz.kit.settings import Settings
from tools import settings_table

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def said(unit: Path, name: str) -> list[str]:
    """Return the values of a directive."""
    return re.findall(rf"^{name}=-?(.*)$", unit.read_text(), re.MULTILINE)


def read_variables() -> set[str]:
    """Return every variable that the settings are read from."""
    return {settings_table.variable_of(name, field) for name, field in Settings.model_fields.items()}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file."""
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"])


def running(services: dict[str, Any], role: str) -> dict[str, Any]:
    return {name: service for name, service in services.items() if service.get("command") == [role]}


def test_there_is_a_unit_for_each_role() -> None:
    assert [unit.name for unit in UNITS] == ["blazz-gateway.service", "blazz-instance@.service", "blazz-worker.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_run_commands_that_exist(unit: Path) -> None:
    root = typer.main.get_command(app)
    for command in [*said(unit, "ExecStart"), *said(unit, "ExecStopPost")]:
        program, *words = command.split()
        assert program == "/opt/blazz/bin/blazz"
        present = root
        for word in words:
            present = present.commands[word]  # type: ignore[attr-defined]
    # SIGTERM for all processes would end an instance's engine host before its numbers have moved
    assert said(unit, "KillMode") == ["mixed"]


def test_an_instance_has_time_to_drain() -> None:
    (unit,) = (unit for unit in UNITS if "instance" in unit.name)
    assert int(said(unit, "TimeoutStopSec")[0]) >= Settings.model_fields["drain_timeout_s"].default + 30


@pytest.mark.parametrize(
    "file",
    [*(DEPLOY / name for name in ("env.example", "compose.yaml", "compose.env.example", "Dockerfile")), *UNITS],
    ids=lambda file: file.name,
)
def test_every_variable_that_is_named_is_read(file: Path) -> None:
    named = set(re.findall(r"BLAZZ_[A-Z0-9_]+", file.read_text()))
    assert named - {"BLAZZ_DATABASE_PASSWORD"} <= read_variables()  # that one is the compose file's own


def test_the_page_of_settings_has_every_variable() -> None:
    assert settings_table.main(["--check"]) == 0, "run: python -m tools.settings_table"


def test_containers_run_a_gateway_four_instances_and_two_workers(services: dict[str, Any]) -> None:
    counted = {role: len(running(services, role)) for role in ("gateway", "instance", "worker")}
    assert counted == {"gateway": 1, "instance": 4, "worker": 2}
    assert {"postgres", "valkey", "schema"} <= set(services)
    assert services["schema"]["command"] == ["db", "upgrade"]


def test_instances_in_containers_have_names_addresses_and_locks_of_their_own(services: dict[str, Any]) -> None:
    instances = running(services, "instance")
    for name, service in instances.items():
        said = service["environment"]
        assert said["BLAZZ_INSTANCE_ID"] == name
        assert said["BLAZZ_INTERNAL_URL"] == f"http://{name}:{said['BLAZZ_INTERNAL_PORT']}"
        assert f"{name}:/var/lib/blazz" in service["volumes"]
        assert f"sessions:{said['BLAZZ_SESSIONS_DIR']}" in service["volumes"]
        drain = Settings.model_fields["drain_timeout_s"].default
        assert int(service["stop_grace_period"].removesuffix("s")) >= drain + 30
    for service in running(services, "worker").values():
        assert set(instances) <= set(service["depends_on"]), "ended before the instances"
    for role in ("gateway", "instance", "worker"):
        for service in running(services, role).values():
            assert f"media:{service['environment']['BLAZZ_MEDIA_DIR']}" in service["volumes"]
            assert service["depends_on"]["schema"]["condition"] == "service_completed_successfully"


def test_the_image_is_made_of_what_is_there(services: dict[str, Any]) -> None:
    build = services["schema"]["build"]
    root = (DEPLOY / build["context"]).resolve()
    dockerfile = root / build["dockerfile"]
    ignored = set((DEPLOY / f"{dockerfile.name}.dockerignore").read_text().split())
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile.read_text(), re.MULTILINE):
        for name in line.split()[:-1]:
            assert (root / name).exists(), name
            assert f"!{name}" in ignored, name
