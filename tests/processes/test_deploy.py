"""What `deploy/` offers fits the program: commands that exist, settings that are read, an end that is long enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from blazz.cli.app import app
from blazz.kit.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def said(unit: Path, name: str) -> list[str]:
    """Return the values of a directive."""
    return re.findall(rf"^{name}=-?(.*)$", unit.read_text(), re.MULTILINE)


def read_variables() -> set[str]:
    """Return every variable that the settings are read from."""
    return {str(field.validation_alias or f"BLAZZ_{name.upper()}") for name, field in Settings.model_fields.items()}


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


@pytest.mark.parametrize("file", [DEPLOY / "env.example", *UNITS], ids=lambda file: file.name)
def test_every_variable_that_is_named_is_read(file: Path) -> None:
    named = set(re.findall(r"BLAZZ_[A-Z_]+", file.read_text()))
    assert named <= read_variables()
