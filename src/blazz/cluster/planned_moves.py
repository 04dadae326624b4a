"""The leader's part in planned moves: tells a few sessions at a time to move, and knows when an operation is over."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import RowMapping

from blazz.cluster import assignment, failover, leadership, membership, operations, repository
from blazz.cluster import repository_moves as store
from blazz.cluster.capacity import InstanceLoad
from blazz.cluster.operations import Operation
from blazz.cluster.placement import spread
from blazz.cluster.rebalance import Mode
from blazz.kit.db import Tx
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now

_SETTLE = dt.timedelta(seconds=30)  # a moved session that has not logged in by then holds nothing up any more


@dataclass(frozen=True, slots=True)
class Step:
    """What one look at an operation did."""

    told: int
    over: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """Sessions by destination; how many have none, and why."""

    targets: dict[uuid.UUID, str]
    waiting: int = 0
    detail: str | None = None


def step(tx: Tx, term: leadership.Term, operation_id: uuid.UUID, settings: Settings, silent: frozenset[str]) -> Step:
    """Take an operation one step further (platform scope). `silent` instances get nothing. Raises NotLeading."""
    leadership.check(tx, term)
    row = store.find_operation(tx, operation_id, lock=True)
    if row is None or row["state"] != "running":
        return Step(0, True)
    operation = operations.get(tx, operation_id)
    if operation.kind == "drain" and _withdrawn(tx, operation):
        return Step(0, True)
    loads = [
        replace(load, alive=load.id not in silent) for load in assignment.instance_loads(membership.all_instances(tx))
    ]
    under_way = repository.moving(tx, operation_id)
    moved, _ = store.count_moves(tx, operation_id)
    connecting = store.connecting(tx, operation_id, utc_now() - _SETTLE)
    rows, target = _left(tx, operation, settings)
    room = settings.move_concurrency - len(under_way) - connecting
    told = _Told({})
    if rows and room > 0:
        if target is None:
            told = _chosen(tx, operation, rows[:room], loads, settings)
        else:
            told = _directed(rows, target, loads)
        _tell(tx, operation, rows, told.targets)
    detail = told.detail or operation.detail
    if (moved, told.waiting, detail) != (operation.moved, operation.waiting, operation.detail):
        operations.progress(tx, operation_id, moved=moved, waiting=told.waiting, detail=told.detail)
    if operation.kind == "migrate" and told.waiting and not under_way:
        operations.finish(tx, operation_id, "failed", told.detail)
        return Step(0, True)
    over = not rows and not under_way and not connecting
    if over:
        operations.finish(tx, operation_id, "done")
    return Step(len(told.targets), over)


def _withdrawn(tx: Tx, operation: Operation) -> bool:
    """End a drain whose instance was resumed or started anew, or runs no more: failover has what it left."""
    instance = membership.find(tx, operation.instance_id or "")
    if instance is not None and instance.state == "draining":
        return False
    if instance is None or failover.is_gone(instance):
        operations.finish(tx, operation.id, "done", "The instance has ended.")
    else:
        operations.finish(tx, operation.id, "cancelled", "The instance takes sessions again.")
    return True


def _left(tx: Tx, operation: Operation, settings: Settings) -> tuple[Sequence[RowMapping], str | None]:
    """Return the sessions that are still to be told to move, and where they go (None: wherever there is room)."""
    if operation.kind == "drain":
        assert operation.instance_id is not None
        rows = repository.assignments_of(tx, operation.instance_id, "running")
        return [row for row in rows if row["move_to"] is None], None
    if operation.kind == "migrate":
        assert operation.subject_workspace_id is not None
        rows = repository.running_of_workspace(tx, operation.subject_workspace_id)
        target = operation.target_instance_id
        return [row for row in rows if row["move_to"] is None and row["instance_id"] != target], target
    # planned anew at each step: the cluster may have changed, and a workspace is never left half moved
    mode: Mode = "toward_strategy" if operation.mode == "toward_strategy" else "even"
    plan = operations.preview_rebalance(tx, settings, mode)
    if not plan.moves:
        return [], None
    first = plan.moves[0]
    rows = repository.running_of_workspace(tx, first.workspace_id)
    here = [row for row in rows if row["move_to"] is None and row["instance_id"] == first.source_id]
    return here[: first.sessions], first.target_id


def _chosen(
    tx: Tx, operation: Operation, rows: Sequence[RowMapping], loads: Sequence[InstanceLoad], settings: Settings
) -> _Told:
    """Choose places for sessions of a drained instance."""
    chosen = failover.workspaces_of(tx, rows, leaving=operation.instance_id or "")
    result = spread(chosen, loads, settings.placement_strategy, configured_count=settings.placement_instance_count)
    detail = result.waiting[0].detail if result.waiting else None
    return _Told({move.account_id: move.target_id for move in result.moves}, len(result.waiting), detail)


def _directed(rows: Sequence[RowMapping], target: str, loads: Sequence[InstanceLoad]) -> _Told:
    """Send all these sessions to one instance, as far as it has room."""
    usable = next((load for load in loads if load.id == target and load.usable), None)
    free = 0 if usable is None else usable.room
    targets = {row["id"]: target for row in rows[:free]}
    if len(targets) == len(rows):
        return _Told(targets)
    return _Told(
        targets, len(rows) - len(targets), f"{target} has no room for {len(rows) - len(targets)} sessions now."
    )


def _tell(tx: Tx, operation: Operation, rows: Sequence[RowMapping], targets: dict[uuid.UUID, str]) -> None:
    by_target: dict[str, list[uuid.UUID]] = defaultdict(list)
    for account_id, name in targets.items():
        by_target[name].append(account_id)
    for name, ids in by_target.items():
        changes = {"move_to": name, "move_reason": operation.kind, "move_operation_id": operation.id}
        repository.update_assignments(tx, ids, changes)
    owners = sorted({row["instance_id"] for row in rows if row["id"] in targets})
    repository.bump_revisions(tx, owners)
    if owners:
        membership.wake(tx, owners)
