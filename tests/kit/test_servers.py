"""Units of work on database servers: grouped, isolated, repeated after races, and the log without a gap."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from blazz import events
from blazz.contacts.tables import contact_identifiers, contacts
from blazz.kit.db import Database, Platform, ScopeError, Tx, Workspace, Workspaces
from tests.kit.servers import PLATFORM, RolledBack, add_contact, add_number, names, sleep
from tests.support.databases import open_database
from tests.support.rows import make_workspaces

pytestmark = [pytest.mark.anyio, pytest.mark.every_server]


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def other(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """The same database as another process sees it."""
    async with open_database(database_url) as opened:
        yield opened


async def positions(database: Database, workspace: uuid.UUID, after: int = 0) -> list[int]:
    page = await database.read(Workspace(workspace), events.read_after, workspace, after, 10_000)
    return [row.position for row in page.events]


async def test_two_processes_and_a_polling_reader_see_each_log_without_gap_or_double(
    database: Database, other: Database
) -> None:
    places = await make_workspaces(database, 8)
    committed = dict.fromkeys(places, 0)
    done = False

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            chosen = chance.sample(places, chance.randint(1, 3))
            counts = {place: chance.randint(1, 4) for place in chosen}
            fails = chance.random() < 0.3

            def work(tx: Tx, counts: dict[uuid.UUID, int] = counts, fails: bool = fails) -> None:
                for place, count in counts.items():
                    for _ in range(count):
                        events.append(tx, "contact.updated", {}, workspace_id=place)
                    tx.execute(update(contacts).where(contacts.c.workspace_id == place).values(name="B"))
                if fails:
                    raise RolledBack

            scope = Workspace(chosen[0]) if len(chosen) == 1 else Workspaces.of(chosen)
            try:
                await chance.choice([database, other]).write(scope, work)
            except RolledBack:
                continue
            for place, count in counts.items():
                committed[place] += count

    async def poll() -> dict[uuid.UUID, list[int]]:
        seen: dict[uuid.UUID, list[int]] = {place: [] for place in places}
        last = False
        while not last:
            last = done
            for place in places:
                seen[place] += await positions(database, place, len(seen[place]))
        return seen

    polling = asyncio.create_task(poll())
    await asyncio.gather(*(write(seed) for seed in range(8)))
    done = True
    for place, found in (await polling).items():
        assert found == list(range(1, committed[place] + 1))


async def test_a_failing_unit_leaves_its_neighbours_of_the_same_commit_alone(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def work(tx: Tx, number: int) -> int:
        contact = add_contact(tx, f"n{number}", place)
        add_number(tx, contact, f"+{number // 2}", place)  # every second one is taken
        if number % 5 == 0:
            raise RolledBack(number)
        return number

    outcomes = await asyncio.gather(
        *(database.write(Workspace(place), work, number) for number in range(60)), return_exceptions=True
    )
    good = {number for number, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)}
    assert await names(database) == {f"n{number}" for number in good}
    assert sum(isinstance(outcome, RolledBack) for outcome in outcomes) == 6
    assert {number // 2 for number in good} == set(range(30)), "of two with one number, one is stored"
    others = [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, RolledBack)]
    assert all(isinstance(outcome, IntegrityError) for outcome in others)


async def test_two_processes_that_create_the_same_thing_at_once_find_one(database: Database, other: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    runs: list[str] = []

    def ensure(tx: Tx) -> uuid.UUID:
        runs.append("run")
        found = tx.scalar(
            select(contact_identifiers.c.contact_id).where(
                contact_identifiers.c.workspace_id == place, contact_identifiers.c.value == "+1"
            )
        )
        sleep(tx, 0.15)
        if found is None:
            found = add_contact(tx, "one", place)
            add_number(tx, found, "+1", place)
        return uuid.UUID(str(found))

    first, second = await asyncio.gather(database.write(PLATFORM, ensure), other.write(PLATFORM, ensure))
    assert first == second
    assert await names(database) == {"one"}
    assert len(runs) > 2, "the race was met"


async def test_a_key_that_is_really_taken_is_told_after_a_few_tries(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    runs: list[str] = []

    def work(tx: Tx) -> None:
        runs.append("run")
        add_number(tx, add_contact(tx, "a", place), "+1", place)

    await database.write(Workspace(place), work)
    with pytest.raises(IntegrityError):
        await database.write(Workspace(place), work)
    assert len(runs) <= 5
    assert await database.write(Workspace(place), lambda tx: 7) == 7


async def test_a_deadlock_between_processes_is_resolved_by_repeating(database: Database, other: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    ids = [await database.write(Workspace(place), add_contact, "x", place) for _ in range(2)]
    runs: list[str] = []

    def work(tx: Tx, order: list[uuid.UUID], name: str) -> None:
        runs.append(name)
        for contact in order:
            tx.execute(
                update(contacts).where(contacts.c.workspace_id == place, contacts.c.id == contact).values(name=name)
            )
            if runs.count(name) == 1:
                sleep(tx, 0.15)

    await asyncio.gather(
        database.write(PLATFORM, work, ids, "forth"),
        other.write(PLATFORM, work, ids[::-1], "back"),
    )
    assert len(runs) > 2, "a deadlock was met"
    assert len(await names(database)) == 1, "one after the other, whole"


async def test_the_heads_of_logs_are_not_locked_while_a_unit_runs(database: Database, other: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    began = asyncio.Event()

    def slow(tx: Tx) -> None:
        events.append(tx, "contact.updated", {"slow": True}, workspace_id=place)
        began.set()
        sleep(tx, 0.6)

    writing = asyncio.create_task(database.write(PLATFORM, slow))
    await began.wait()
    await other.write(Workspace(place), lambda tx: events.append(tx, "contact.updated", {}))
    assert not writing.done(), "the other process was not held up"
    await writing
    page = await database.read(Workspace(place), events.read_after, place, 0)
    assert [row.data for row in page.events] == [{}, {"slow": True}]


async def test_scopes_hold_within_a_commit_of_several_units(database: Database) -> None:
    here, there = await make_workspaces(database, 2)

    def honest(tx: Tx) -> str:
        events.append(tx, "contact.updated", {})
        add_contact(tx, "mine", tx.workspace_id)
        return "done"

    def reads_more(tx: Tx) -> None:
        tx.all(select(contacts.c.id).where(contacts.c.workspace_id == there))

    def writes_more(tx: Tx) -> None:
        add_contact(tx, "foreign", there)

    def tells_more(tx: Tx) -> None:
        events.append(tx, "contact.updated", {}, workspace_id=there)

    def says_text(tx: Tx) -> None:
        tx.execute(text("SELECT 1"))

    works = [honest, reads_more, honest, writes_more, tells_more, says_text, honest]
    outcomes = await asyncio.gather(*(database.write(Workspace(here), work) for work in works), return_exceptions=True)
    assert [outcome if outcome == "done" else type(outcome) for outcome in outcomes] == [
        "done",
        ScopeError,
        "done",
        ScopeError,
        ScopeError,
        ScopeError,
        "done",
    ]
    with pytest.raises(ScopeError):
        await database.read(Workspace(here), reads_more)
    assert await positions(database, there) == []
    assert await positions(database, here) == [1, 2, 3]


async def test_a_read_sees_one_snapshot_and_may_not_write(database: Database, other: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    began = asyncio.Event()

    def count(tx: Tx) -> int:
        return int(tx.scalar(select(func.count()).select_from(contacts)))

    def twice(tx: Tx) -> tuple[int, int]:
        first = count(tx)
        began.set()
        sleep(tx, 0.3)
        return first, count(tx)

    reading = asyncio.create_task(database.read(PLATFORM, twice))
    await began.wait()
    await other.write(Workspace(place), add_contact, "new", place)
    assert not reading.done()
    assert await reading == (0, 0)
    assert await database.read(PLATFORM, count) == 1
    with pytest.raises(Exception, match=r"(?i)database refused|read.only"):
        await database.read(Workspace(place), add_contact, "by reading", place)
    assert await names(database) == {"new"}


async def test_units_of_one_key_are_kept_apart_and_rows_of_neighbours_are_waited_for(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    order: list[str] = []

    def once(tx: Tx) -> str:
        tx.apart("key")
        answer = "again" if tx.scalar(select(func.count()).where(contacts.c.workspace_id == place)) else "first"

        def finish(last: Tx) -> None:
            add_contact(last, "stored at the end", place)

        if answer == "first":
            tx.before_commit("test", finish)
        order.append(answer)
        return answer

    answers = await asyncio.gather(*(database.write(Workspace(place), once) for _ in range(3)))
    assert answers == ["first", "again", "again"]
    assert order == answers, "nothing ran in vain"


async def test_renewals_of_leases_do_not_wait_behind_other_work(database: Database) -> None:
    def slow(tx: Tx) -> None:
        sleep(tx, 0.3)

    slows = [asyncio.create_task(database.write(PLATFORM, slow)), asyncio.create_task(database.write(PLATFORM, slow))]
    await asyncio.sleep(0.05)
    assert await database.write(Platform("a lease", urgent=True), lambda tx: "renewed") == "renewed"
    assert not any(task.done() for task in slows)
    await asyncio.gather(*slows)
