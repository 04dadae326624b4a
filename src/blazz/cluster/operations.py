"""What operators ask for: drain, migrate, rebalance. Rows with progress, which are also the audit trail.

Asking only writes a row (and the instance's state). The leading controller then tells a few sessions at a time to move,
and each owner hands its own over; so an operation goes on after the death of anybody who takes part in it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz.cluster import assignment, membership, platform_log, repository
from blazz.cluster import repository_moves as store
from blazz.cluster.rebalance import Mode, RebalancePlan, WorkspaceLoad, rebalance_plan
from blazz.kit.db import Tx
from blazz.kit.errors import conflict, not_found
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces

Kind = Literal["drain", "migrate", "rebalance", "failover"]


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks: a user (None for the machine itself), and by which way (`page`, `cli`, `sigterm`, `controller`)."""

    user_id: uuid.UUID | None
    way: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation with its progress. `waiting` sessions fit nowhere so far."""

    id: uuid.UUID
    kind: Kind
    state: Literal["running", "done", "cancelled", "failed"]
    instance_id: str | None
    subject_workspace_id: uuid.UUID | None
    target_instance_id: str | None
    mode: str | None
    total: int
    moved: int
    waiting: int
    requested_by: uuid.UUID | None
    requested_as: str
    detail: str | None
    created_at: dt.datetime
    finished_at: dt.datetime | None


def drain(tx: Tx, instance_id: str, requester: Requester) -> Operation:
    """Let an instance accept nothing new and move its sessions away one by one (platform scope).

    Raises BlazzError `not_found`, `instance_not_running` (409), `no_other_instance` (409). A drain that runs already is
    returned as it is.
    """
    present = _known(tx, instance_id)
    running = next((row for row in store.running_operations(tx) if _is_drain(row, instance_id)), None)
    if running is not None:
        return _operation(running)
    if present.state not in ("healthy", "draining"):
        raise conflict("instance_not_running", f"{instance_id} is {present.state}; there is nothing to drain.")
    others = [item for item in membership.all_instances(tx) if item.id != instance_id and item.state == "healthy"]
    if present.sessions and not others:
        raise conflict(
            "no_other_instance", f"No other instance runs that could take the {present.sessions} sessions. Start one."
        )
    membership.set_draining(tx, instance_id, draining=True)
    return _begin(tx, "drain", requester, instance_id=instance_id, total=_owned(tx, instance_id))


def resume(tx: Tx, instance_id: str, requester: Requester) -> membership.Instance:
    """Let a draining instance accept sessions again; its drain is cancelled (platform scope).

    Raises BlazzError `not_found`, `instance_not_running` (409).
    """
    _known(tx, instance_id)
    for row in store.running_operations(tx):
        if _is_drain(row, instance_id):
            _end(tx, row, "cancelled", f"Resumed ({requester.way}).")
    if not membership.set_draining(tx, instance_id, draining=False):
        raise conflict("instance_not_running", f"{instance_id} is not running; start it again.")
    return _known(tx, instance_id)


def migrate(tx: Tx, workspace_id: uuid.UUID, target_id: str, requester: Requester) -> Operation:
    """Move all running sessions of a workspace to one instance (platform scope).

    Raises BlazzError `not_found`, `instance_not_running`, `no_capacity`, `migration_running` (409). The same migration
    that runs already is returned as it is.
    """
    if workspace_id not in workspaces.placing_of(tx, [workspace_id]):
        raise not_found("workspace")
    target = _known(tx, target_id)
    if target.state != "healthy":
        raise conflict("instance_not_running", f"{target_id} is {target.state} and takes no sessions.")
    for row in store.running_operations(tx):
        if row["kind"] == "migrate" and row["subject_workspace_id"] == workspace_id:
            if row["target_instance_id"] == target_id:
                return _operation(row)
            raise conflict(
                "migration_running", f"This workspace is moving to {row['target_instance_id']}; cancel that first."
            )
    away = sum(
        count
        for name, count in repository.present_of(tx, [workspace_id]).get(workspace_id, {}).items()
        if name != target_id
    )
    room = target.capacity - target.sessions
    if away > room:
        raise conflict(
            "no_capacity", f"{target_id} has room for {max(room, 0)} more sessions; the workspace would bring {away}."
        )
    return _begin(tx, "migrate", requester, subject_workspace_id=workspace_id, target_instance_id=target_id, total=away)


def preview_rebalance(tx: Tx, settings: Settings, mode: Mode = "even") -> RebalancePlan:
    """Return what a rebalance would move (platform scope)."""
    return rebalance_plan(
        _workspace_loads(tx),
        assignment.instance_loads(membership.all_instances(tx)),
        settings.placement_strategy,
        mode=mode,
        configured_count=settings.placement_instance_count,
    )


def rebalance(tx: Tx, settings: Settings, requester: Requester, mode: Mode = "even") -> Operation:
    """Even the instances out (platform scope). Raises BlazzError `rebalance_running` (409)."""
    if any(row["kind"] == "rebalance" for row in store.running_operations(tx)):
        raise conflict("rebalance_running", "A rebalance is under way already.")
    plan = preview_rebalance(tx, settings, mode)
    return _begin(tx, "rebalance", requester, total=plan.sessions, mode=mode)


def cancel(tx: Tx, operation_id: uuid.UUID, requester: Requester) -> Operation:
    """Stop an operation; what has moved stays where it is (platform scope).

    A drained instance goes on accepting nothing until it is resumed. Raises BlazzError `not_found`,
    `operation_over`, `not_cancellable` (409).
    """
    row = store.find_operation(tx, operation_id, lock=True)
    if row is None:
        raise not_found("operation")
    if row["state"] != "running":
        raise conflict("operation_over", f"This operation is {row['state']} already.")
    if row["kind"] == "failover":
        raise conflict("not_cancellable", "A failover cannot be stopped: its sessions have no owner.")
    _end(tx, row, "cancelled", f"Cancelled ({requester.way}).")
    return get(tx, operation_id)


def get(tx: Tx, operation_id: uuid.UUID) -> Operation:
    """Return an operation. Raises BlazzError `not_found`."""
    row = store.find_operation(tx, operation_id)
    if row is None:
        raise not_found("operation")
    return _operation(row)


def page(tx: Tx, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[Operation]:
    """Return operations, newest first."""
    return [_operation(row) for row in store.operations_page(tx, before, limit)]


def running(tx: Tx) -> list[Operation]:
    """Return operations that are not over, the oldest first."""
    return [_operation(row) for row in store.running_operations(tx)]


def begin_failover(tx: Tx, instance_id: str, total: int, detail: str) -> Operation:
    """Open the record of a failover, unless one of this instance runs already (platform scope)."""
    for row in store.running_operations(tx):
        if row["kind"] == "failover" and row["instance_id"] == instance_id:
            return _operation(row)
    return _begin(tx, "failover", Requester(None, "controller"), instance_id=instance_id, total=total, detail=detail)


def progress(tx: Tx, operation_id: uuid.UUID, *, moved: int, waiting: int, detail: str | None = None) -> None:
    """Write how far an operation is."""
    changes: dict[str, Any] = {"moved": moved, "waiting": waiting}
    if detail is not None:
        changes["detail"] = detail[:255]
    store.update_operation(tx, operation_id, changes)
    membership.wake(tx, [])


def finish(tx: Tx, operation_id: uuid.UUID, state: str, detail: str | None = None) -> None:
    """End an operation if it still runs (platform scope)."""
    row = store.find_operation(tx, operation_id, lock=True)
    if row is not None and row["state"] == "running":
        _end(tx, row, state, detail)


def _known(tx: Tx, instance_id: str) -> membership.Instance:
    found = membership.find(tx, instance_id)
    if found is None:
        raise not_found("instance")
    return found


def _owned(tx: Tx, instance_id: str) -> int:
    return len(repository.assignments_of(tx, instance_id, "running"))


def _is_drain(row: RowMapping, instance_id: str) -> bool:
    return bool(row["kind"] == "drain" and row["instance_id"] == instance_id)


def _begin(tx: Tx, kind: Kind, requester: Requester, *, total: int, **fields: Any) -> Operation:
    operation_id = uuid7()
    row = {
        "id": operation_id,
        "kind": kind,
        "state": "running",
        "total": total,
        "moved": 0,
        "waiting": 0,
        "requested_by": requester.user_id,
        "requested_as": requester.way,
        "created_at": utc_now(),
        **fields,
    }
    store.insert_operation(tx, row)
    if total == 0 and kind != "failover":
        made = store.find_operation(tx, operation_id)
        assert made is not None
        _end(tx, made, "done", "There was nothing to move.")
        return get(tx, operation_id)
    _announce(tx, operation_id, kind, "running", fields.get("instance_id"))
    return get(tx, operation_id)


def _end(tx: Tx, row: RowMapping, state: str, detail: str | None) -> None:
    store.clear_moves_of(tx, row["id"])
    changes: dict[str, Any] = {"state": state, "finished_at": utc_now()}
    if detail is not None:
        changes["detail"] = detail[:255]
    store.update_operation(tx, row["id"], changes)
    _announce(tx, row["id"], row["kind"], state, row["instance_id"])


def _announce(tx: Tx, operation_id: uuid.UUID, kind: str, state: str, instance_id: str | None) -> None:
    data = {"operation": str(operation_id), "kind": kind, "state": state, "instance": instance_id}
    platform_log.append(tx, "cluster.operation", data)
    membership.wake(tx, [])


def _workspace_loads(tx: Tx) -> list[WorkspaceLoad]:
    places: dict[uuid.UUID, dict[str, int]] = {}
    for row in repository.running_everywhere(tx):
        name = row["move_to"] or row["instance_id"]
        if name is not None:
            where = places.setdefault(row["workspace_id"], {})
            where[name] = where.get(name, 0) + 1
    placing = workspaces.placing_of(tx, list(places))
    return [WorkspaceLoad(key, placing[key].number, where) for key, where in places.items()]


def _operation(row: RowMapping) -> Operation:
    return Operation(**{name: row[name] for name in Operation.__slots__})
