"""The event log: positions without gap or double under concurrent writers, rollbacks and a polling reader."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator

import pytest

from blazz import events
from blazz.events import retention
from blazz.kit.db import Database, Platform, Tx, Workspace
from tests.support.databases import open_database
from tests.support.rows import make_workspaces

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


class RolledBack(Exception):
    """Thrown by a unit that must leave no trace."""


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


async def positions(database: Database, workspace: uuid.UUID, after: int = 0) -> list[int]:
    page = await database.read(Workspace(workspace), events.read_after, workspace, after, 10_000)
    return [row.position for row in page.events]


async def test_eight_writers_over_twenty_workspaces_give_each_1_to_n(database: Database) -> None:
    places = await make_workspaces(database, 20)
    committed = dict.fromkeys(places, 0)
    done = False

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(60):
            chosen = chance.sample(places, chance.randint(1, 3))
            counts = {place: chance.randint(1, 4) for place in chosen}
            fails = chance.random() < 0.3

            def work(tx: Tx, counts: dict[uuid.UUID, int] = counts, fails: bool = fails) -> None:
                for place, count in counts.items():
                    for _ in range(count):
                        events.append(tx, "contact.updated", {}, workspace_id=place)
                if fails:
                    raise RolledBack

            try:
                await database.write(Platform("test writers"), work)
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


async def test_positions_are_given_last_and_rows_carry_them(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def work(tx: Tx) -> list[events.EventDraft]:
        drafts = [events.append(tx, "contact.created", {"n": n}) for n in range(3)]
        assert [draft.position for draft in drafts] == [0, 0, 0]
        return drafts

    drafts = await database.write(Workspace(place), work)
    assert [draft.position for draft in drafts] == [1, 2, 3]


async def test_wakeup_comes_after_the_commit_and_never_after_a_rollback(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    news = events.Wakeups.shared().subscribe(place)

    def failing(tx: Tx) -> None:
        events.append(tx, "contact.created", {})
        raise RolledBack

    with pytest.raises(RolledBack):
        await database.write(Workspace(place), failing)
    assert not news.is_set()
    await database.write(Workspace(place), lambda tx: events.append(tx, "contact.created", {}))
    assert news.is_set()
    assert await positions(database, place) == [1]
    events.Wakeups.shared().unsubscribe(place, news)


async def test_pruned_positions_are_told_and_never_given_again(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)

    def work(tx: Tx) -> None:
        for _ in range(5):
            events.append(tx, "contact.created", {})

    await database.write(Workspace(place), work)
    assert await retention.prune(database, 1) == 0
    assert await retention.prune(database, -1) == 5
    with pytest.raises(events.PositionExpired) as caught:
        await positions(database, place, 4)
    assert caught.value.oldest == 6
    await database.write(Workspace(place), work)
    assert await positions(database, place, 5) == [6, 7, 8, 9, 10]
