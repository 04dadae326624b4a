"""Drain, migrate, rebalance: what operators ask for, taken further by the leader and carried out by the owners."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from blazz.cluster import operations, repository
from blazz.cluster import service as cluster
from blazz.cluster.operations import Requester
from blazz.kit.db import Workspace
from blazz.kit.errors import BlazzError
from tests.cluster.stage import LEASE_S, SCOPE, Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
WE = Requester(None, "test")


async def log_in(stage: Stage) -> None:
    """Let every moved session log in under its new owner."""
    for move in await stage.moves():
        await stage.database.write(
            Workspace(move["workspace_id"]),
            cluster.note_connected,
            move["workspace_id"],
            move["account_id"],
            move["epoch"],
        )


async def until_over(stage: Stage, operation_id: uuid.UUID, *living: str) -> operations.Operation:
    """Let time pass until an operation is over."""
    controller = stage.controller()
    for _ in range(60):
        await stage.watch(controller, 0.5, *[stage.members[name] for name in living])
        await log_in(stage)
        operation = await stage.database.read(SCOPE, operations.get, operation_id)
        if operation.state != "running":
            return operation
    raise AssertionError(f"not over: {operation}")


async def three(stage: Stage, sessions: int = 12) -> list[uuid.UUID]:
    for name in ("a", "b", "c"):
        await stage.join(name, 50)
    return [await stage.session(await stage.workspace()) for _ in range(sessions)]


async def test_a_drained_instance_gives_everything_away_and_accepts_nothing(stage: Stage) -> None:
    sessions = await three(stage)
    before = await stage.owners()
    mine = [account for account in sessions if before[account] == "a"]
    asked = await stage.database.write(SCOPE, operations.drain, "a", WE)
    assert (asked.total, asked.state) == (len(mine), "running")
    again = await stage.database.write(SCOPE, operations.drain, "a", WE)
    assert again.id == asked.id
    over = await until_over(stage, asked.id, "a", "b", "c")
    assert (over.state, over.moved, over.waiting) == ("done", len(mine), 0)
    after = await stage.owners()
    assert "a" not in after.values()
    assert all(after[account] == before[account] for account in sessions if account not in mine)
    for account in mine:
        row = await stage.assignment(account)
        assert (row["previous_closed"], row["epoch"], row["move_to"]) == (True, 2, None)
    new = await stage.session(await stage.workspace())
    assert (await stage.owners())[new] != "a"
    assert {move["reason"] for move in await stage.moves()} == {"drain"}
    assert all(move["connected_at"] is not None for move in await stage.moves())


async def test_a_drain_moves_a_few_sessions_at_a_time(stage: Stage) -> None:
    await three(stage, 0)
    await stage.fill("a", 40)
    stage.settings = stage.settings.model_copy(update={"move_concurrency": 4})
    asked = await stage.database.write(SCOPE, operations.drain, "a", WE)
    controller = stage.controller()
    await stage.watch(controller, 2, stage.members["b"], stage.members["c"])
    told = await stage.database.read(SCOPE, lambda tx: len(repository.moving(tx, asked.id)))
    assert told == 4, "the owner has not handed over any yet"


async def test_resuming_stops_a_drain_and_what_has_moved_stays(stage: Stage) -> None:
    await three(stage, 0)
    await stage.fill("a", 40)
    asked = await stage.database.write(SCOPE, operations.drain, "a", WE)
    controller = stage.controller()
    await stage.watch(controller, 1.5, *stage.members.values())
    moved = len(await stage.moves())
    assert 0 < moved < 40
    await stage.database.write(SCOPE, operations.resume, "a", WE)
    await stage.watch(controller, 2, *stage.members.values())
    over = await stage.database.read(SCOPE, operations.get, asked.id)
    assert over.state == "cancelled"
    counts = Counter((await stage.owners()).values())
    assert counts["a"] >= 40 - moved - 8
    assert (await stage.instance("a"))["state"] == "healthy"


async def test_an_owner_that_dies_during_a_drain_is_failed_over(stage: Stage) -> None:
    await three(stage, 0)
    accounts = await stage.fill("a", 30)
    asked = await stage.database.write(SCOPE, operations.drain, "a", WE)
    controller = stage.controller()
    await stage.watch(controller, 1, stage.members["b"], stage.members["c"])
    await stage.watch(controller, LEASE_S + 1.5, stage.members["b"], stage.members["c"])
    owners = await stage.owners()
    assert {owners[account] for account in accounts} <= {"b", "c"}
    over = await stage.database.read(SCOPE, operations.get, asked.id)
    assert over.state == "done"
    assert (await stage.assignment(accounts[0]))["move_to"] is None


async def test_a_target_that_stops_leaves_the_session_with_its_owner(stage: Stage) -> None:
    await three(stage, 0)
    workspace = await stage.workspace()
    account = await stage.session(workspace)
    home = (await stage.owners())[account]
    target = next(name for name in ("a", "b", "c") if name != home)
    asked = await stage.database.write(SCOPE, operations.migrate, workspace, target, WE)
    controller = stage.controller()
    await stage.watch(controller, 0.5)
    assert (await stage.assignment(account))["move_to"] == target
    await stage.database.write(SCOPE, operations.drain, target, WE)
    given = await stage.database.write(
        Workspace(workspace), cluster.hand_over, workspace, account, 1, (await stage.instance(home))["renewed_at"]
    )
    assert given is None
    row = await stage.assignment(account)
    assert (row["instance_id"], row["epoch"], row["move_to"]) == (home, 1, None)
    assert asked.total == 1


async def test_a_workspace_is_migrated_whole(stage: Stage) -> None:
    await three(stage, 3)
    workspace = await stage.workspace()
    sessions = [await stage.session(workspace) for _ in range(10)]
    owners = await stage.owners()
    home = owners[sessions[0]]
    assert {owners[account] for account in sessions} == {home}
    target = next(name for name in ("a", "b", "c") if name != home)
    asked = await stage.database.write(SCOPE, operations.migrate, workspace, target, WE)
    over = await until_over(stage, asked.id, "a", "b", "c")
    assert (over.state, over.moved) == ("done", 10)
    owners = await stage.owners()
    assert {owners[account] for account in sessions} == {target}


async def test_a_rebalance_does_what_its_preview_said(stage: Stage) -> None:
    await stage.join("a", 100)
    sessions = [await stage.session(await stage.workspace()) for _ in range(30)]
    await stage.join("b", 100)
    await stage.join("c", 100)
    preview = await stage.database.read(SCOPE, operations.preview_rebalance, stage.settings)
    assert preview.moves
    asked = await stage.database.write(SCOPE, operations.rebalance, stage.settings, WE)
    assert asked.total == sum(move.sessions for move in preview.moves)
    with pytest.raises(BlazzError) as twice:
        await stage.database.write(SCOPE, operations.rebalance, stage.settings, WE)
    assert twice.value.code == "rebalance_running"
    over = await until_over(stage, asked.id, "a", "b", "c")
    assert over.state == "done"
    counts = Counter((await stage.owners()).values())
    assert sum(counts.values()) == len(sessions)
    assert (max(counts.values()) - min(counts.values())) / (len(sessions) / 3) < 0.2


async def test_what_cannot_be_is_refused_and_changes_nothing(stage: Stage) -> None:
    await stage.join("a", 5)
    workspace = await stage.workspace()
    for _ in range(3):
        await stage.session(workspace)
    nobody = uuid.UUID(int=404)

    async def code(work: object, *args: object) -> str:
        with pytest.raises(BlazzError) as refused:
            await stage.database.write(SCOPE, work, *args)  # type: ignore[arg-type]
        return refused.value.code

    assert await code(operations.drain, "nobody", WE) == "not_found"
    assert await code(operations.drain, "a", WE) == "no_other_instance"
    assert await code(operations.migrate, nobody, "a", WE) == "not_found"
    assert await code(operations.migrate, workspace, "nobody", WE) == "not_found"
    assert await code(operations.cancel, nobody, WE) == "not_found"
    await stage.join("b", 2)
    assert await code(operations.migrate, workspace, "b", WE) == "no_capacity"
    await stage.database.write(SCOPE, cluster.release, "b")
    assert await code(operations.migrate, workspace, "b", WE) == "instance_not_running"
    assert await code(operations.drain, "b", WE) == "instance_not_running"
    assert await code(operations.resume, "b", WE) == "instance_not_running"
    assert await stage.operations() == []
    assert (await stage.instance("a"))["state"] == "healthy"
