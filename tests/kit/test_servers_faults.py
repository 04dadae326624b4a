"""Database servers that fail: lost connections, restarts, time-outs, unsafe settings, and callers that go away."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DataError

from blazz import events
from blazz.cli.doctor_servers import check_database_server
from blazz.contacts.tables import contacts
from blazz.kit import failpoints
from blazz.kit.db import Database, ServerOptions, Tx, Workspace
from blazz.kit.db.server import ServerBackend, examine_server
from blazz.kit.errors import BlazzError
from blazz.kit.postgres import PrivatePostgres
from blazz.kit.settings import Settings
from tests.kit.servers import PLATFORM, add_contact, kill_others, kill_own_connection, names, sleep
from tests.support.databases import open_database
from tests.support.rows import make_workspaces
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.every_server]


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


def connections_in_use(database: Database) -> int:
    backend = database._backend
    assert isinstance(backend, ServerBackend)
    return sum(engine.pool.checkedout() for engine in (backend._writer, backend._reader))  # type: ignore[attr-defined]


async def test_a_unit_whose_connection_dies_before_the_commit_runs_once_more(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    runs: list[str] = []

    def work(tx: Tx) -> None:
        runs.append("run")
        add_contact(tx, "kept", place)
        events.append(tx, "contact.created", {}, workspace_id=place)
        if len(runs) == 1:
            kill_own_connection(tx)

    await database.write(PLATFORM, work)
    assert await names(database) == {"kept"}
    page = await database.read(Workspace(place), events.read_after, place, 0)
    assert [row.position for row in page.events] == [1]


async def test_a_unit_that_always_loses_its_connection_is_refused_and_its_neighbours_can_go_on(
    database: Database,
) -> None:
    (place,) = await make_workspaces(database, 1)
    runs: list[str] = []

    def work(tx: Tx) -> None:
        runs.append("run")
        add_contact(tx, "never", place)
        kill_own_connection(tx)

    outcomes = await asyncio.gather(
        database.write(PLATFORM, add_contact, "before", place),
        database.write(PLATFORM, work),
        database.write(PLATFORM, add_contact, "behind", place),
        return_exceptions=True,
    )
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, "database_unavailable", None]
    assert len(runs) <= 3
    await database.write(Workspace(place), add_contact, "kept", place)
    assert await names(database) == {"before", "behind", "kept"}


async def test_after_a_restart_of_the_server_stale_connections_fail_nobody(
    database: Database, database_url: str
) -> None:
    places = await make_workspaces(database, 8)
    for place in places:
        await database.write(Workspace(place), add_contact, "before", place)
    await asyncio.gather(*(names(database) for _ in range(8)))
    async with open_database(database_url) as operator:
        assert await operator.write(PLATFORM, kill_others) >= 4
        assert await names(database) == {"before"}, (
            "the first who asks does not meet one dead connection after the other"
        )
        await asyncio.gather(*(names(database) for _ in range(8)))
        await asyncio.gather(*(database.write(Workspace(place), lambda tx: None) for place in places))
        await operator.write(PLATFORM, kill_others)
        await database.write(Workspace(places[0]), add_contact, "after", places[0])
        await asyncio.gather(
            *(database.write(Workspace(place), add_contact, "after", place) for place in places),
            *(names(database) for _ in range(8)),
        )
    assert await names(database) == {"before", "after"}


async def test_an_unknown_outcome_is_told_and_never_repeated(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place,) = await make_workspaces(database, 1)
    runs: list[str] = []
    reach = failpoints.reach

    def cut(name: str) -> None:
        reach(name)
        if name == "db.before_commit":
            monkeypatch.setattr(failpoints, "reach", reach)
            thread = threading.Thread(target=lambda: asyncio.run(kill_from_outside()))
            thread.start()
            thread.join()

    async def kill_from_outside() -> None:
        async with open_database(database_url) as operator:
            await operator.write(PLATFORM, kill_others)

    def work(tx: Tx) -> None:
        runs.append("run")
        add_contact(tx, "perhaps", place)

    monkeypatch.setattr(failpoints, "reach", cut)
    with pytest.raises(BlazzError, match="not known") as caught:
        await database.write(Workspace(place), work)
    assert caught.value.code == "database_unavailable"
    assert runs == ["run"]
    assert await database.write(Workspace(place), lambda tx: "goes on") == "goes on"


async def test_a_server_that_is_away_fails_everybody_at_once_and_never_shows_the_password(database_kind: str) -> None:
    scheme = database_kind.replace("sqlite", "postgresql")
    with pytest.raises(BlazzError) as caught:
        await Database.connect(f"{scheme}://someone:hunter2@127.0.0.1:1/blazz")
    assert caught.value.code == "database_unavailable"
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    "address", ["nonsense", "oracle://a:hunter2@b/c", "postgresql://a:hunter2@b", "mysql://h/d?sslmode=x"]
)
async def test_a_wrong_address_is_told_without_its_password(database_kind: str, address: str) -> None:
    with pytest.raises(BlazzError) as caught:
        await Database.connect(address)
    assert caught.value.code == "database_url_invalid"
    assert "hunter2" not in str(caught.value)


async def test_a_statement_that_takes_too_long_is_ended_and_its_neighbours_are_stored(database_url: str) -> None:
    database = await Database.connect(database_url, ServerOptions(statement_timeout_s=0.3))
    (place,) = await make_workspaces(database, 1)
    outcomes = await asyncio.gather(
        database.write(PLATFORM, add_contact, "one", place),
        database.write(PLATFORM, sleep, 5.0),
        database.write(PLATFORM, add_contact, "two", place),
        return_exceptions=True,
    )
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, "database_unavailable", None]
    with pytest.raises(BlazzError):
        await database.read(PLATFORM, sleep, 5.0)
    assert await names(database) == {"one", "two"}
    await database.close()


async def test_locks_of_a_process_that_stands_still_are_given_back(database_url: str, database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    contact = await database.write(Workspace(place), add_contact, "a", place)
    frozen = (
        "import asyncio, sys, time\n"
        "from sqlalchemy import text\n"
        "from blazz.kit.db import Database, Platform, ServerOptions\n"
        "def work(tx):\n"
        "    tx.execute(text(\"UPDATE contacts SET name = 'frozen'\"))\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
        "async def main():\n"
        "    database = await Database.connect(sys.argv[1], ServerOptions(stall_timeout_s=1.0))\n"
        "    await database.write(Platform('test'), work)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", frozen, database_url], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "locked\n"
            began = time.monotonic()
            mine = update(contacts).where(contacts.c.workspace_id == place, contacts.c.id == contact).values(name="b")
            await database.write(Workspace(place), lambda tx: tx.execute(mine).rowcount)
            assert time.monotonic() - began < 4
        finally:
            process.kill()
    assert await names(database) == {"b"}


async def test_callers_that_go_away_leave_nothing_behind(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def slow(tx: Tx, name: str) -> None:
        add_contact(tx, name, place)
        sleep(tx, 0.05)

    tasks = [asyncio.create_task(database.write(Workspace(place), slow, f"n{number}")) for number in range(6)]
    tasks += [asyncio.create_task(database.read(PLATFORM, sleep, 5.0)) for _ in range(6)]
    await asyncio.sleep(0.08)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await database.write(Workspace(place), add_contact, "last", place)
    await eventually(lambda: connections_in_use(database) == 0)
    found = await names(database)
    assert "last" in found
    assert "n5" not in found, "what had not begun was never run"
    assert len(await asyncio.gather(*(names(database) for _ in range(20)))) == 20


async def test_what_waits_is_bounded(database_url: str) -> None:
    database = await Database.connect(database_url, ServerOptions(queue=5))
    outcomes = await asyncio.gather(
        *(database.write(PLATFORM, lambda tx: "done") for _ in range(20)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BlazzError)]
    assert {(error.code, error.status) for error in refused} == {("database_busy", 503)}
    assert outcomes.count("done") == 20 - len(refused) >= 5
    await database.close()


async def test_closing_finishes_what_waits(database_url: str, database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    closing = await Database.connect(database_url)
    writes = [asyncio.create_task(closing.write(PLATFORM, add_contact, f"n{n}", place)) for n in range(50)]
    await asyncio.sleep(0)
    await closing.close()
    await asyncio.gather(*writes)
    assert len(await names(database)) == 50
    with pytest.raises(BlazzError) as caught:
        await closing.read(PLATFORM, lambda tx: None)
    assert caught.value.code == "shutting_down"


async def test_a_server_that_would_lose_commits_is_refused(
    database_url: str, database_kind: str, tmp_path: Path
) -> None:
    async with weakened(database_url, database_kind, tmp_path) as (url, told):
        with pytest.raises(BlazzError) as caught:
            await Database.connect(url)
        assert caught.value.code == "unsafe_durability"
        assert told in caught.value.detail
        version, findings = await examine_server(url, ServerOptions())
        assert version.startswith(("PostgreSQL", "MariaDB", "MySQL"))
        assert any(str(finding).startswith(told) for finding in findings)
        allowed = await Database.connect(url, ServerOptions(allow_unsafe_durability=True))
        await allowed.close()
        for allow, level in ((False, "fail"), (True, "warn")):
            settings = Settings(database_url=url, allow_unsafe_durability=allow)
            found = await asyncio.to_thread(check_database_server, settings)
            assert (found.level, told in found.detail) == (level, True)
    await (await Database.connect(database_url)).close()


@contextlib.asynccontextmanager
async def weakened(database_url: str, kind: str, directory: Path) -> AsyncIterator[tuple[str, str]]:
    """Give the address of a server that would lose commits, and what is wrong with it."""
    if kind == "postgresql":
        server = await PrivatePostgres.start(directory / "weak", settings={"full_page_writes": "off"})
        try:
            yield server.url, "full_page_writes is off"
        finally:
            await server.stop()
        return
    setting = "innodb_flush_log_at_trx_commit"
    async with open_database(database_url) as operator:
        await operator.write(PLATFORM, lambda tx: tx.execute(text(f"SET GLOBAL {setting} = 2")))
        try:
            yield database_url, f"{setting} is 2"
        finally:
            await operator.write(PLATFORM, lambda tx: tx.execute(text(f"SET GLOBAL {setting} = 1")))


async def test_sessions_are_durable_and_strict(database: Database, database_kind: str) -> None:
    def look(tx: Tx) -> list[str]:
        if database_kind == "postgresql":
            shown = ("synchronous_commit", "transaction_isolation", "timezone")
            return [str(tx.scalar(text(f"SHOW {name}"))) for name in shown]
        level = "transaction_isolation" if database_kind == "mysql" else "tx_isolation"
        return [str(tx.scalar(text(f"SELECT @@{name}"))) for name in ("sql_mode", level, "time_zone")]

    first, isolation, zone = await database.write(PLATFORM, look)
    assert first == "on" or "STRICT_ALL_TABLES" in first
    assert isolation.upper().replace("-", " ") == "READ COMMITTED"
    assert zone in ("UTC", "+00:00")
    (place,) = await make_workspaces(database, 1)
    with pytest.raises(DataError, match=r"(?i)too long"):
        await database.write(Workspace(place), add_contact, "x" * 5000, place)
    assert await database.read(PLATFORM, lambda tx: tx.all(select(contacts.c.id))) == []
