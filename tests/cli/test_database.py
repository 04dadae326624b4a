"""`blazz db` on servers: upgrades name older processes and spare them; the private PostgreSQL is used where it is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from blazz import migrations
from blazz.cli import database as commands
from blazz.cluster.tables import cluster_processes
from blazz.kit.postgres import PrivatePostgres
from blazz.kit.time import utc_now
from blazz.migrations.revisions import PREVIOUS_RELEASE, Plan, wanted
from tests.migrations.schemas import names, on, upgrade_to

SECRET = "correct-horse"


@pytest.fixture
def cli(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("BLAZZ_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(tmp_path))
    return CliRunner()


def lives(url: str, version: str, *, since: dt.timedelta = dt.timedelta()) -> None:
    now = utc_now() - since
    row: dict[str, object] = {
        "id": f"worker-{version}",
        "role": "worker",
        "host": "host-1",
        "pid": 7,
        "version": version,
    }
    on(
        url,
        lambda connection: connection.execute(insert(cluster_processes), row | {"started_at": now, "renewed_at": now}),
    )


def contracting(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The next step takes away what the present schema's programs use."""
    plan = Plan(wanted(), step, (step,), (step,), later=False)
    monkeypatch.setattr(migrations, "pending", lambda target: plan)


@pytest.mark.every_server
def test_upgrade_check_and_verify_work_by_url(cli: CliRunner, empty_database_url: str) -> None:
    assert cli.invoke(commands.app, ["check"]).exit_code == 1
    assert cli.invoke(commands.app, ["verify"]).exit_code == 1
    assert cli.invoke(commands.app, ["upgrade"]).exit_code == 0
    for command in ("upgrade", "check", "verify"):
        done = cli.invoke(commands.app, [command])
        assert done.exit_code == 0, done.output


@pytest.mark.every_server
def test_an_upgrade_that_only_adds_goes_on_while_older_processes_run(cli: CliRunner, empty_database_url: str) -> None:
    upgrade_to(empty_database_url, PREVIOUS_RELEASE)
    done = cli.invoke(commands.app, ["upgrade"])
    assert done.exit_code == 0, done.output
    assert migrations.check(empty_database_url) == []


@pytest.mark.every_server
def test_an_upgrade_that_takes_away_names_older_processes_and_spares_them(
    cli: CliRunner, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.upgrade(empty_database_url)
    lives(empty_database_url, "0.0.1")
    lives(empty_database_url, "0.0.2", since=dt.timedelta(hours=1))
    before = names(empty_database_url)
    contracting(monkeypatch, "0099_from_0098")
    refused = cli.invoke(commands.app, ["upgrade"])
    assert refused.exit_code == 1
    assert "worker worker-0.0.1 on host-1 (process 7), version 0.0.1" in refused.output
    assert "0.0.2" not in refused.output, "that one is long gone"
    assert "0099_from_0098" in refused.output
    assert names(empty_database_url) == before
    assert cli.invoke(commands.app, ["upgrade", "--force"]).exit_code == 0


def test_a_password_in_the_address_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = f"postgresql://blazz:{SECRET}@127.0.0.1:1/blazz"
    monkeypatch.setenv("BLAZZ_DATABASE_URL", address)
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(tmp_path))
    for command in ("upgrade", "check", "verify"):
        done = CliRunner().invoke(commands.app, [command])
        assert done.exit_code == 1
        assert SECRET not in done.output
        assert "127.0.0.1" in done.output


@pytest.mark.anyio
@pytest.mark.database
async def test_the_private_server_is_used_while_it_runs_and_started_when_it_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import asyncio

    monkeypatch.delenv("BLAZZ_DATABASE_URL", raising=False)

    async def run(command: str) -> int:
        arguments = [command, "--data-dir", str(tmp_path)]
        done = await asyncio.to_thread(CliRunner().invoke, commands.app, arguments)
        assert "postgresql" in done.output
        return done.exit_code

    server = await PrivatePostgres.start(tmp_path / "postgres")
    assert await run("upgrade") == 0
    assert await run("verify") == 0
    assert server.running
    await server.stop()
    assert await run("check") == 0
    again = await PrivatePostgres.start(tmp_path / "postgres")  # and it was stopped afterwards
    await again.stop()
