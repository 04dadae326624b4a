"""What a role says when it lacks something: one sentence that names the way out, and nothing left running."""

from __future__ import annotations

import base64
import contextlib
import subprocess
from pathlib import Path

import pytest

from blazz.cli import foundation
from blazz.cli.fleet.mode import claim_mode
from blazz.instance.release import supervisor_lock
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from tests.cli.test_commands import blazz
from tests.support.databases import Servers

KEY = base64.b64encode(b"k" * 32).decode()
pytestmark = pytest.mark.anyio


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


async def laid(settings: Settings, network_id: str = "sim-000000000001") -> None:
    """Lay a role's foundation and take it away again."""
    async with contextlib.AsyncExitStack() as parts:
        await foundation.lay_for_role(parts, settings, network_id)


@pytest.mark.parametrize("role", ["gateway", "instance", "worker"])
def test_a_role_alone_needs_a_database_server(tmp_path: Path, role: str) -> None:
    said = refused(blazz(role, "--data-dir", str(tmp_path / "data"), BLAZZ_SECRET_KEY=KEY))
    assert "BLAZZ_DATABASE_URL" in said
    assert "blazz up" in said


async def test_sqlite_belongs_to_one_process(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'blazz.db'}", secret_key=KEY)
    with pytest.raises(BlazzError, match="database_url_needed"):
        await laid(settings)


async def test_all_roles_need_the_same_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url="postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(BlazzError, match="secret_key_needed"):
        await laid(settings)
    assert not (tmp_path / "data" / "secret.key").exists()


@pytest.mark.every_server
async def test_a_role_does_not_change_the_schema(tmp_path: Path, empty_database_url: str) -> None:
    settings = Settings(data_dir=tmp_path, database_url=empty_database_url, secret_key=KEY)
    with pytest.raises(BlazzError, match="blazz db upgrade"):
        await laid(settings)


@pytest.mark.every_server
async def test_roles_of_different_networks_do_not_share_a_database(tmp_path: Path, database_url: str) -> None:
    first, second = (
        Settings(data_dir=tmp_path / name, database_url=database_url, secret_key=KEY) for name in ("first", "second")
    )
    await laid(first)
    await laid(second)
    with pytest.raises(BlazzError, match="network_mismatch"):
        await laid(second, "whatsapp")


def test_a_directory_made_for_one_process_is_not_used_by_several(tmp_path: Path) -> None:
    (tmp_path / "blazz.db").touch()
    said = refused(blazz("up", "--instances", "2", "--data-dir", str(tmp_path), "--port", "0"))
    assert "SQLite" in said
    assert not (tmp_path / "postgres").exists()


def test_a_directory_made_for_several_processes_is_not_used_by_one(tmp_path: Path) -> None:
    claim_mode(tmp_path, "instances")
    assert "--instances" in refused(blazz("up", "--data-dir", str(tmp_path), "--port", "0"))
    assert not (tmp_path / "blazz.db").exists()


async def test_an_instance_of_the_same_name_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, instance_id="instance-0")
    async with supervisor_lock(settings):
        with pytest.raises(BlazzError, match="instance_running"):
            async with supervisor_lock(settings):
                raise AssertionError("two have the lock")
    async with supervisor_lock(settings):
        pass


async def test_roles_with_different_keys_do_not_share_a_database(tmp_path: Path, database_servers: Servers) -> None:
    with database_servers.migrated("postgresql") as url:
        await laid(Settings(data_dir=tmp_path / "first", database_url=url, secret_key=KEY))
        other = base64.b64encode(b"o" * 32).decode()
        with pytest.raises(BlazzError, match="secret_key_differs"):
            await laid(Settings(data_dir=tmp_path / "second", database_url=url, secret_key=other))
        await laid(Settings(data_dir=tmp_path / "second", database_url=url, secret_key=KEY))


def test_a_release_needs_an_instance_that_has_run(tmp_path: Path) -> None:
    given = {"BLAZZ_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "BLAZZ_SECRET_KEY": KEY}
    assert "has run" in refused(blazz("instance", "release", "--data-dir", str(tmp_path), **given))
