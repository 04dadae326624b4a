"""Units that are committed together: what they share is written once, in one order, and one failure stays one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from blazz import events
from blazz.contacts.tables import contacts
from blazz.kit import failpoints
from blazz.kit.db import Database, Platform, ScopeError, Tx, Workspace
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from tests.kit.servers import PLATFORM, RolledBack, add_contact, names
from tests.support.databases import open_database
from tests.support.rows import make_workspaces

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


async def together(database: Database, *works: Any) -> list[Any]:
    """Hand units in at once, behind one that keeps the writer busy, so that they are committed together."""
    first = asyncio.create_task(database.write(PLATFORM, lambda tx: None))
    rest = [asyncio.create_task(database.write(PLATFORM, work)) for work in works]
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


async def test_what_units_share_is_written_once_for_those_that_succeed(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    calls: list[list[str]] = []

    def write(tx: Tx, items: Sequence[str]) -> None:
        calls.append(list(items))
        for item in items:
            add_contact(tx, item, place)

    def unit(name: str, fails: bool = False) -> Any:
        def work(tx: Tx) -> str:
            tx.flush_together(write, name)
            if fails:
                raise RolledBack
            return name

        return work

    outcomes = await together(database, unit("a"), unit("b", fails=True), unit("c"))
    assert [outcome if isinstance(outcome, str) else type(outcome) for outcome in outcomes] == ["a", RolledBack, "c"]
    assert await names(database) == {"a", "c"}
    assert [name for call in calls for name in call] == ["a", "c"]


async def test_what_finishers_hand_over_is_written_once_too(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    calls: list[list[str]] = []

    def write(tx: Tx, items: Sequence[str]) -> None:
        calls.append(list(items))
        for item in items:
            add_contact(tx, item, place)

    def unit(name: str) -> Any:
        def work(tx: Tx) -> None:
            draft = events.append(tx, "contact.created", {}, workspace_id=place)
            tx.before_commit("test", lambda last: last.flush_together(write, f"{name} {draft.position > 0}"))

        return work

    await together(database, unit("a"), unit("b"))
    assert await names(database) == {"a True", "b True"}
    assert [name for call in calls for name in call] == ["a True", "b True"]


async def test_functions_are_called_in_their_order_and_the_heads_of_logs_last(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    order: list[str] = []

    def write(tx: Tx, items: Sequence[str]) -> None:
        order.extend(items)
        assert events.read_head(tx, place) == (0, 1), "the head of the log is not touched yet"

    def late(tx: Tx, items: Sequence[str]) -> None:
        order.extend(items)

    def work(tx: Tx) -> events.EventDraft:
        draft = events.append(tx, "contact.created", {}, workspace_id=place)
        tx.flush_together(late, "second", order=1)
        tx.flush_together(write, "first")
        tx.before_commit("test", lambda last: order.append(f"position {draft.position}"))
        return draft

    await database.write(PLATFORM, work)
    assert order == ["first", "second", "position 1"]


async def test_when_shared_rows_cannot_be_written_each_unit_has_its_own_outcome(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def write(tx: Tx, items: Sequence[uuid.UUID]) -> None:
        now = utc_now()
        own = {"name": "x", "created_at": now, "updated_at": now}
        tx.execute(insert(contacts), [{"id": uuid7(), "workspace_id": item, **own} for item in items])

    def unit(workspace: uuid.UUID) -> Any:
        def work(tx: Tx) -> str:
            events.append(tx, "contact.created", {}, workspace_id=place)
            tx.flush_together(write, workspace)
            return "stored"

        return work

    outcomes = await together(database, unit(place), unit(uuid7()), unit(place))
    assert [outcome == "stored" for outcome in outcomes] == [True, False, True]
    page = await database.read(Workspace(place), events.read_after, place, 0)
    assert [row.position for row in page.events] == [1, 2]
    count = await database.read(PLATFORM, lambda tx: tx.scalar(select(func.count()).select_from(contacts)))
    assert count == 2


async def test_a_failing_finisher_fails_its_own_unit_only(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def unit(name: str, fails: bool) -> Any:
        def work(tx: Tx) -> None:
            def finish(last: Tx) -> None:
                add_contact(last, name, place)
                if fails:
                    raise RolledBack

            tx.before_commit("test", finish)

        return work

    outcomes = await together(database, unit("a", False), unit("b", True), unit("c", False))
    assert [type(outcome) for outcome in outcomes] == [type(None), RolledBack, type(None)]
    assert await names(database) == {"a", "c"}


async def test_units_of_one_key_are_not_committed_together(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    ran: list[str] = []

    def once(tx: Tx) -> str:
        tx.apart("key")
        seen = tx.scalar(select(func.count()).select_from(contacts))
        ran.append("again" if seen else "first")

        def finish(last: Tx) -> None:
            add_contact(last, "stored at the end", place)

        if not seen:
            tx.before_commit("test", finish)
        return ran[-1]

    assert await together(database, once, once, once) == ["first", "again", "again"]
    assert ran == ["first", "again", "again"], "nothing ran in vain"


async def test_nobody_may_hand_over_what_is_outside_their_scope(database: Database) -> None:
    here, there = await make_workspaces(database, 2)

    def work(tx: Tx) -> None:
        draft = events.append(tx, "contact.created", {})
        events.insert_at_position(tx, contacts, {"workspace_id": there}, draft)

    with pytest.raises(ScopeError):
        await database.write(Workspace(here), work)
    with pytest.raises(ScopeError):
        await database.write(Workspace(here), lambda tx: events.append(tx, "x", {}, workspace_id=there))
    assert await database.read(Platform("test"), events.read_head, there) == (0, 1)


async def test_a_cut_after_the_commit_is_told_and_the_next_unit_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place,) = await make_workspaces(database, 1)
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    failpoints.arm("db.after_commit", "error")
    with pytest.raises(Exception, match=r"failpoint|not known"):
        await database.write(PLATFORM, add_contact, "stored", place)
    failpoints.disarm("db.after_commit")
    assert await names(database) == {"stored"}, "it was not done twice either"
    await database.write(PLATFORM, add_contact, "next", place)
    assert await names(database) == {"stored", "next"}
