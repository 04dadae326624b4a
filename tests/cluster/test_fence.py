"""The fence: a failover that comes between an owner's check and its commit waits, or the owner's write is refused."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid

import pytest
from sqlalchemy import select

from blazz.accounts import service as accounts
from blazz.accounts.tables import accounts as accounts_table
from blazz.cluster import assignment, failover, ownership
from blazz.cluster import service as cluster
from blazz.cluster.failover import Gone
from blazz.kit.db import Tx, Workspaces
from tests.cluster.stage import SCOPE, Stage
from tests.support.databases import open_database
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.every_server]
_HELD_S = 0.5


async def fail_over(stage: Stage) -> int:
    """Give what "a" had to the others, as the leader does; returns how many sessions."""
    controller = stage.controller()
    await controller.look()
    term = controller._leadership.term(stage.clock())
    assert term is not None
    await stage.database.write(SCOPE, cluster.release, "a", 1)
    gone = Gone("a", 1, True)
    loads = assignment.instance_loads(await stage.database.read(SCOPE, cluster.all_instances))
    _, spread = await stage.database.read(SCOPE, failover.plan, gone, loads, stage.settings)
    return await stage.database.write(
        SCOPE,
        failover.reassign,
        term,
        gone,
        spread.moves,
        operation_id=uuid.UUID(int=1),
        away_at=(await stage.instance("a"))["renewed_at"],
    )


async def test_a_failover_waits_for_a_commit_that_has_checked_its_epoch(stage: Stage, database_url: str) -> None:
    await stage.join("a")
    workspace = await stage.workspace()
    account = await stage.session(workspace)
    await stage.join("b")
    checked, go_on = threading.Event(), threading.Event()
    committed: list[float] = []

    def own_write(tx: Tx) -> None:
        assert ownership.check(tx, [(account, 1)]) == set()
        checked.set()
        assert go_on.wait(20)
        accounts.set_status(tx, account, workspace, "connecting", detail="written by the former owner")

    async def owner() -> None:
        async with open_database(database_url) as database:
            await database.write(Workspaces.of([workspace]), own_write)
            committed.append(time.monotonic())

    thread = threading.Thread(target=lambda: asyncio.run(owner()))
    thread.start()
    await eventually(checked.is_set, what="the owner has checked its epoch")
    threading.Timer(_HELD_S, go_on.set).start()
    moved = await fail_over(stage)
    done = time.monotonic()
    await asyncio.to_thread(thread.join, 20)
    assert moved == 1
    assert (await stage.assignment(account))["instance_id"] == "b"
    # the former owner's write is in, and it was in before the session changed hands
    detail = await stage.database.read(SCOPE, lambda tx: tx.scalar(select(accounts_table.c.status_detail)))
    assert detail == "written by the former owner"
    assert committed
    assert committed[0] <= done + 0.2


async def test_a_check_after_the_failover_is_refused_and_the_rest_of_the_batch_commits(stage: Stage) -> None:
    await stage.join("a")
    lost_workspace, kept_workspace = await stage.workspace(), await stage.workspace()
    lost = await stage.session(lost_workspace)
    await stage.join("b")
    stage.settings = stage.settings.model_copy(update={"placement_strategy": "least_loaded"})
    kept = await stage.session(kept_workspace)
    assert (await stage.owners())[kept] == "b"
    assert await fail_over(stage) == 1

    def batch(tx: Tx) -> set[uuid.UUID]:
        stale = ownership.check(tx, [(lost, 1), (kept, 1)])
        for account, workspace in ((lost, lost_workspace), (kept, kept_workspace)):
            if account not in stale:
                accounts.set_status(tx, account, workspace, "connecting", detail="batch")
        return stale

    assert await stage.database.write(Workspaces.of([lost_workspace, kept_workspace]), batch) == {lost}
    rows = await stage.database.read(
        SCOPE, lambda tx: {row["id"]: row["status_detail"] for row in tx.all(select(accounts_table))}
    )
    assert rows == {lost: None, kept: "batch"}
