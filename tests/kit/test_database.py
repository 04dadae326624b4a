"""Units of work: durable, isolated from their neighbours in a group, and honest when the database refuses."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from blazz.contacts.tables import contacts
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from tests.support.app import migrated
from tests.support.rows import make_workspaces

pytestmark = pytest.mark.anyio
PLATFORM = Platform("test")


class RolledBack(Exception):
    """Thrown by a unit that must leave no trace."""


@pytest.fixture
async def database(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Database]:
    opened = Database.open(migrated(tmp_path / "blazz.db"), busy_timeout_s=0.2)
    yield opened
    await opened.close()


def add(tx: Tx, name: str, workspace: Any) -> None:
    now = utc_now()
    row = {"id": uuid7(), "workspace_id": workspace, "name": name, "created_at": now, "updated_at": now}
    tx.execute(insert(contacts), row)


async def names(database: Database) -> set[str]:
    rows = await database.read(PLATFORM, lambda tx: tx.all(select(contacts.c.name)))
    return {row["name"] for row in rows}


async def test_a_failing_unit_leaves_its_neighbours_of_the_same_commit_alone(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def work(tx: Tx, number: int) -> int:
        add(tx, f"n{number}", place)
        if number % 3 == 0:
            raise RolledBack(number)
        if number % 7 == 0:
            add(tx, "foreign key fails", uuid7())
        return number

    outcomes = await asyncio.gather(
        *(database.write(PLATFORM, work, number) for number in range(200)), return_exceptions=True
    )
    good = [number for number in range(200) if number % 3 and number % 7]
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == good
    assert sum(isinstance(outcome, RolledBack) for outcome in outcomes) == 67
    assert await names(database) == {f"n{number}" for number in good}


async def test_what_was_written_survives_reopening(tmp_path: Path) -> None:
    path = migrated(tmp_path / "blazz.db")
    database = Database.open(path)
    (place,) = await make_workspaces(database, 1)
    await database.write(Workspace(place), add, "kept", place)
    await database.close()
    await database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Database.open(path)
    assert await names(again) == {"kept"}
    await again.close()


async def test_one_process_per_file(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BlazzError) as caught:
        Database.open(tmp_path / "blazz.db")
    assert caught.value.code == "database_in_use"


async def test_commits_are_fsynced(database: Database) -> None:
    def pragmas(tx: Tx) -> tuple[Any, Any, Any]:
        run = tx._connection.exec_driver_sql
        return (
            run("PRAGMA synchronous").scalar(),
            run("PRAGMA journal_mode").scalar(),
            run("PRAGMA foreign_keys").scalar(),
        )

    assert await database.write(PLATFORM, pragmas) == (2, "wal", 1)


async def test_a_locked_database_is_told_and_recovers(database: Database, tmp_path: Path) -> None:
    (place,) = await make_workspaces(database, 1)
    foreign = sqlite3.connect(tmp_path / "blazz.db", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(
        *(database.write(Workspace(place), add, f"lost{n}", place) for n in range(5)), return_exceptions=True
    )
    assert {getattr(outcome, "code", None) for outcome in outcomes} == {"database_unavailable"}
    assert {getattr(outcome, "status", None) for outcome in outcomes} == {503}
    assert await names(database) == set(), "reading goes on meanwhile"
    foreign.execute("ROLLBACK")
    foreign.close()
    await database.write(Workspace(place), add, "kept", place)
    assert await names(database) == {"kept"}


async def test_a_full_disk_is_told_nothing_is_half_stored_and_it_recovers(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def limit(tx: Tx, pages: int) -> None:
        tx._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def many(tx: Tx, prefix: str, count: int) -> None:
        for number in range(count):
            add(tx, f"{prefix}{number}" + "x" * 100, place)

    def pages(tx: Tx) -> int:
        return int(tx._connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    used = await database.read(PLATFORM, pages)
    await database.write(PLATFORM, limit, used + 4)
    outcomes = await asyncio.gather(
        *(database.write(Workspace(place), many, f"g{n}-", 100) for n in range(4)), return_exceptions=True
    )
    assert any(isinstance(outcome, BlazzError) and outcome.status == 503 for outcome in outcomes), outcomes
    stored = {name.split("-")[0] for name in await names(database)}
    assert stored == {f"g{n}" for n, outcome in enumerate(outcomes) if outcome is None}
    await database.write(PLATFORM, limit, 1 << 30)
    await database.write(Workspace(place), many, "after-", 100)
    count = await database.read(PLATFORM, lambda tx: tx.scalar(select(func.count()).select_from(contacts)))
    assert count == 100 * (1 + len(stored))


async def test_callbacks_come_after_the_commit_only_and_a_failing_one_harms_nobody(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    called: list[str] = []

    def work(tx: Tx, name: str, fails: bool) -> None:
        def callback() -> None:
            called.append(name)
            raise RolledBack("a defect in a callback")

        tx.after_commit(callback)
        add(tx, name, place)
        if fails:
            raise RolledBack

    outcomes = await asyncio.gather(
        database.write(PLATFORM, work, "a", False),
        database.write(PLATFORM, work, "b", True),
        database.write(PLATFORM, work, "c", False),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), RolledBack, type(None)]
    assert called == ["a", "c"]


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = Database.open(migrated(tmp_path / "blazz.db"))
    await database.close()
    with pytest.raises(BlazzError) as caught:
        await database.read(PLATFORM, lambda tx: None)
    assert caught.value.code == "shutting_down"
