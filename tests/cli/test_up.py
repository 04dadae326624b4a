"""What `blazz up` runs: everything that the product needs, wherever its data is."""

from __future__ import annotations

from pathlib import Path

import pytest

from blazz.cli.fleet import fleet as fleet_module
from blazz.cli.fleet.child import ChildSpec, Reaped
from blazz.cli.fleet.fleet import Fleet
from blazz.cli.fleet.size import FleetSize
from blazz.cli.options import NetworkOptions
from blazz.cli.product import Product
from blazz.cli.up import UpOptions, build
from blazz.kit.settings import Settings
from tests.support.databases import Servers

pytestmark = pytest.mark.anyio


class StandIn:
    """A child that is only said to run."""

    def __init__(self, spec: ChildSpec, reaped: Reaped | None = None) -> None:
        self.spec = spec
        self.ready: dict[str, object] = {}

    async def start(self) -> None:
        """Nothing starts."""

    async def stop(self) -> None:
        """Nothing ends."""


async def started(settings: Settings, size: FleetSize, monkeypatch: pytest.MonkeyPatch) -> dict[str, ChildSpec]:
    """Start a fleet of stand-ins and return what it would run, by role."""
    monkeypatch.setattr(fleet_module, "Child", StandIn)
    fleet = build(settings, UpOptions(network=NetworkOptions(), size=size))
    assert isinstance(fleet, Fleet)
    await fleet.start()
    try:
        return {name: child.spec for name, child in fleet.children.items()}
    finally:
        await fleet.stop()


def test_on_sqlite_all_roles_share_one_process(tmp_path: Path) -> None:
    assert isinstance(build(Settings(data_dir=tmp_path), UpOptions()), Product)


@pytest.mark.every_server
async def test_on_a_server_each_role_runs_also_with_one_instance(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://10.0.0.7:7090"
    settings = Settings(
        data_dir=tmp_path, database_url=database_url, port=0, valkey=False, instance_id="shop-7", internal_url=url
    )
    roles = await started(settings, FleetSize(), monkeypatch)
    assert sorted(roles) == ["gateway-0", "shop-7", "worker-0"]
    assert [spec.arguments[0] for spec in roles.values()] == ["instance", "gateway", "worker"]
    said = roles["shop-7"].environment
    assert (said["BLAZZ_INSTANCE_ID"], said["BLAZZ_INTERNAL_URL"]) == ("shop-7", url)
    assert "BLAZZ_INTERNAL_PORT" not in said, "what the operator set for it holds"
    assert all(spec.environment["BLAZZ_DATABASE_URL"] == database_url for spec in roles.values())


@pytest.mark.database
async def test_several_instances_on_one_machine_have_ports_of_their_own(
    tmp_path: Path, database_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database_servers.migrated("postgresql") as url:
        settings = Settings(data_dir=tmp_path, database_url=url, port=0, valkey=False, internal_url="http://10.0.0.7:1")
        roles = await started(settings, FleetSize(2, 1, 2), monkeypatch)
    assert sorted(roles) == ["gateway-0", "instance-0", "instance-1", "worker-0", "worker-1"]
    for name in ("instance-0", "instance-1"):
        said = roles[name].environment
        assert (said["BLAZZ_INTERNAL_PORT"], said["BLAZZ_INSTANCE_ID"]) == ("0", name)
        assert "BLAZZ_INTERNAL_URL" not in said
