"""Instances: generations, epochs, the fence that keeps a stale owner from writing, and capacity."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select, update

from blazz.accounts import service as accounts
from blazz.cluster import ownership, placement
from blazz.cluster import service as cluster
from blazz.cluster.tables import assignments, instances
from blazz.kit.db import Database, Platform, Tx, Workspace, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces.tables import workspaces
from tests.support.databases import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
HERE, THERE = uuid.UUID(int=1), uuid.UUID(int=2)
START = Platform("test")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    def add(tx: Tx) -> None:
        for number, workspace in enumerate((HERE, THERE), 1):
            row = {"id": workspace, "number": number, "name": "W", "timezone": "UTC", "default_country": "ID"}
            tx.execute(insert(workspaces), {**row, "settings": {}, "created_at": utc_now()})

    async with open_database(database_url) as database:
        await database.write(START, add)
        yield database


async def register(database: Database, name: str = "instance-0", capacity: int = 5) -> cluster.Registration:
    return await database.write(START, lambda tx: cluster.register(tx, cluster.Member(name, capacity, "1")))


async def assign(database: Database, workspace_id: uuid.UUID = HERE) -> uuid.UUID:
    """Create an account and want it running."""
    row = await database.write(Workspace(workspace_id), accounts.create, "Number")
    placed = await choose(database, workspace_id)
    await database.write(START, cluster.want_running, workspace_id, row["id"], placed)
    return uuid.UUID(str(row["id"]))


async def choose(
    database: Database, workspace_id: uuid.UUID = HERE, account_id: uuid.UUID | None = None
) -> cluster.Placement:
    """Ask for a place without the rule of N-1, which these few instances could never keep."""
    settings = Settings(placement_strategy="least_loaded", n_minus_one="off")
    return await cluster.choose_instance(database, settings, workspace_id, account_id)


async def epoch(database: Database, account_id: uuid.UUID) -> int:
    return int(
        await database.read(
            START, lambda tx: tx.scalar(select(assignments.c.epoch).where(assignments.c.id == account_id))
        )
    )


async def test_every_start_of_an_instance_raises_generation_and_epochs(database: Database) -> None:
    first = await register(database)
    account_id = await assign(database)
    assert (first.generation, await epoch(database, account_id)) == (1, 1)
    second = await register(database)
    assert (second.generation, second.index, second.taken_over) == (2, 0, 1)
    assert await epoch(database, account_id) == 2
    (spec,) = await database.read(START, accounts.sessions_to_run, "instance-0")
    assert (spec.account_id, spec.epoch, spec.linked) == (account_id, 2, False)


async def test_an_instance_whose_name_was_taken_cannot_renew(database: Database) -> None:
    first = await register(database)
    assert (await database.write(START, cluster.renew, first)).outcome == "renewed"
    second = await register(database)
    assert (await database.write(START, cluster.renew, first)).outcome == "fenced"
    assert (await database.write(START, cluster.renew, second)).outcome == "renewed"
    await database.write(START, cluster.sign_off, first)
    state = await database.read(START, lambda tx: tx.scalar(select(instances.c.state)))
    assert state == "healthy", "the old start cannot sign the new one off"


async def test_the_fence_names_exactly_the_sessions_that_have_another_owner(database: Database) -> None:
    await register(database)
    ours, lost, foreign = await assign(database), await assign(database), await assign(database, THERE)

    def take(tx: Tx) -> None:
        tx.execute(update(assignments).where(assignments.c.id == lost).values(epoch=2))

    await database.write(START, take)
    pairs = [(ours, 1), (lost, 1), (foreign, 1)]
    stale = await database.write(Workspaces.of([HERE, THERE]), ownership.check, pairs)
    assert stale == {lost}
    never_assigned = uuid.UUID(int=99)
    stale = await database.write(Workspace(HERE), ownership.check, [(ours, 1), (never_assigned, 1), (foreign, 1)])
    assert stale == {never_assigned, foreign}, "what lies outside of the unit's workspaces is not ours"
    with pytest.raises(TypeError):
        await database.write(START, ownership.check, pairs)


async def test_a_full_cluster_refuses_and_names_the_way_out(database: Database) -> None:
    with pytest.raises(BlazzError) as nobody:
        await choose(database)
    assert nobody.value.code == "no_instance"
    await register(database, capacity=2)
    first = await assign(database)
    await assign(database)
    with pytest.raises(BlazzError) as full:
        await choose(database)
    assert (full.value.code, full.value.status) == ("no_capacity", 409)
    assert "BLAZZ_INSTANCE_CAPACITY" in full.value.detail
    assert (await choose(database, HERE, first)).instance_id == "instance-0", "it has its place already"
    await database.write(Workspace(HERE), cluster.want_stopped, HERE, first)
    await assign(database)


async def test_a_session_goes_to_the_least_loaded_instance_and_stays_there(database: Database) -> None:
    await register(database, "a", capacity=4)
    await register(database, "b", capacity=2)
    chosen = [(await choose(database)).instance_id]
    account_id = await assign(database)
    chosen.append((await choose(database, THERE)).instance_id)
    chosen.append((await choose(database, HERE)).instance_id)
    assert chosen == ["a", "b", "a"], "a workspace stays together"
    await database.write(START, cluster.want_running, HERE, account_id, cluster.Placement("b", 1))
    found = await database.read(START, cluster.assignment, account_id)
    assert found is not None
    assert (found.instance_id, found.epoch) == ("a", 1)


def test_placement_is_the_same_everywhere_and_moves_little() -> None:
    names = [f"instance-{index}" for index in range(5)]
    ids = [uuid.UUID(int=value) for value in range(2000)]
    before = {account: placement.rendezvous(account, names) for account in ids}
    assert min(list(before.values()).count(name) for name in names) > 320
    after = {account: placement.rendezvous(account, names[:-1]) for account in ids}
    moved = [account for account in ids if before[account] != after[account]]
    assert all(before[account] == names[-1] for account in moved)
    assert placement.workspace_modulo(7, names) == "instance-2"
