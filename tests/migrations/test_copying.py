"""A whole installation moves from SQLite to a server: every row, or a target that no role starts on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select, update
from sqlalchemy.engine import Connection
from typer.testing import CliRunner

from blazz import migrations
from blazz.cli import database as commands
from blazz.cli.fleet.mode import claim_mode, read_mode
from blazz.cli.verify import findings
from blazz.kit import failpoints
from blazz.kit.db import metadata
from blazz.kit.db.sqlite import make_engine, open_sqlite
from blazz.kit.errors import BlazzError
from blazz.migrations import copying, targets
from blazz.workspaces.tables import workspaces
from tests.support.app import PASSWORD, run_app
from tests.support.databases import Servers
from tests.support.filled import fill

pytestmark = [pytest.mark.anyio, pytest.mark.database, pytest.mark.every_server]
EMAIL = "owner@example.org"


@pytest.fixture(scope="module")
async def original(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Path:
    """A SQLite file with one of everything, two workspaces and a log of events."""
    directory = tmp_path_factory.mktemp("original")
    async with run_app(directory) as running:
        await fill(await running.owner(EMAIL))
    return directory / "blazz.db"


@pytest.fixture
def source(original: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may use up."""
    shutil.copy(original, tmp_path / "blazz.db")
    return tmp_path / "blazz.db"


def copied(source: Path, target: str) -> int:
    return copying.copy(source, target, lambda *_: None)


async def copy_of(source: Path, target: str) -> int:
    """Copy on a thread of its own, as the copy has an event loop of its own."""
    return await asyncio.to_thread(copied, source, target)


def counts(connection: Connection) -> dict[str, int]:
    def of(table: Table) -> int:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    return {table.name: of(table) for table in metadata.sorted_tables}


async def on(target: Path | str, work: Any) -> Any:
    return await asyncio.to_thread(targets.reading, target, work)


async def refused(source: Path, target: str, code: str) -> str:
    with pytest.raises(BlazzError, match=code) as caught:
        await copy_of(source, target)
    return caught.value.detail


async def assert_shut(target: str) -> None:
    with pytest.raises(BlazzError, match="copy_unfinished"):
        await asyncio.to_thread(migrations.require_current, target)
    with pytest.raises(BlazzError, match="copy_unfinished"):
        await asyncio.to_thread(migrations.upgrade, target)


async def test_everything_is_there_and_works(source: Path, database_url: str, tmp_path: Path) -> None:
    before = await on(source, counts)
    assert sum(bool(count) for count in before.values()) > 15, "one of everything"
    assert await copy_of(source, database_url) == sum(before.values())
    assert await on(database_url, counts) == before
    await asyncio.to_thread(migrations.require_current, database_url)
    found = [await asyncio.to_thread(findings, one, tmp_path / "sessions") for one in (source, database_url)]
    assert found[0] == found[1], "nothing is wrong there that was not before"
    async with run_app(tmp_path / "app", database_url) as running:
        browser = await running.browser()
        answer = await browser.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        assert answer.is_success, answer.text


async def test_a_copy_that_was_cut_shuts_the_target_and_begins_anew(
    source: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    monkeypatch.setattr(copying, "_PAGE", 2)
    failpoints.arm("db.copied_page", "panic@9")
    try:
        with pytest.raises(failpoints.FailpointPanic):
            await copy_of(source, database_url)
    finally:
        failpoints.disarm("db.copied_page")
    await assert_shut(database_url)
    await copy_of(source, database_url)
    assert await on(database_url, counts) == await on(source, counts)
    await asyncio.to_thread(migrations.require_current, database_url)


async def test_a_database_in_use_is_not_touched(source: Path, database_url: str) -> None:
    await copy_of(source, database_url)
    assert "has rows in" in await refused(source, database_url, "target_not_empty")
    await asyncio.to_thread(migrations.require_current, database_url)
    running = await asyncio.to_thread(open_sqlite, source, readers=1, busy_timeout_s=1)
    await refused(source, database_url, "database_in_use")
    await running.close()


async def test_a_copy_that_is_not_the_same_is_not_used(
    source: Path, database_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = copying._write

    def careless(connection: Connection, table: Table, page: Any) -> None:
        written(connection, table, page)
        if table.name == "workspaces":
            connection.execute(update(table).values(name="Another"))

    monkeypatch.setattr(copying, "_write", careless)
    with database_servers.empty("postgresql") as url:
        assert "workspaces" in await refused(source, url, "copy_differs")
        await assert_shut(url)


async def test_a_row_that_the_server_does_not_take_is_named(source: Path, empty_database_url: str) -> None:
    """SQLite does not look at the length of a text."""
    with make_engine(source).begin() as connection:
        connection.execute(update(workspaces).values(name="x" * 5000))
        workspace = connection.execute(select(workspaces.c.id)).scalars().first()
    assert str(workspace) in await refused(source, empty_database_url, "copy_refused")
    await assert_shut(empty_database_url)


async def test_the_command_moves_an_installation_whatever_cuts_it(
    source: Path, database_servers: Servers, tmp_path: Path
) -> None:
    with database_servers.empty("postgresql") as url:
        arguments = ["copy", "--to", url, "--data-dir", str(tmp_path)]
        killed = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "blazz", "db", *arguments],
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, "BLAZZ_TEST_MODE": "1", "BLAZZ_FAILPOINTS": "db.copied_unused=kill"},
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        await assert_shut(url)
        with pytest.raises(BlazzError, match="moved_to_server"):
            claim_mode(tmp_path, "one-process")  # neither of the two is used
        done = await asyncio.to_thread(CliRunner().invoke, commands.app, arguments)
        assert done.exit_code == 0, done.output
        assert "BLAZZ_SESSIONS_DIR" in done.output
        await asyncio.to_thread(migrations.require_current, url)
        assert read_mode(tmp_path) == "moved"


async def test_data_moves_to_the_private_server_of_several_processes(source: Path, tmp_path: Path) -> None:
    arguments = ["copy", "--to", "private", "--data-dir", str(tmp_path)]
    done = await asyncio.to_thread(CliRunner().invoke, commands.app, arguments)
    assert done.exit_code == 0, done.output
    claim_mode(tmp_path, "instances")
    with pytest.raises(BlazzError, match="made_for_instances"):
        claim_mode(tmp_path, "one-process")
