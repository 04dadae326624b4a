"""SQL of instances and assignments."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, func, insert, or_, select, update

from blazz.cluster.tables import assignments, instances
from blazz.kit.db import Tx

_RENEW = (
    update(instances)
    .where(
        instances.c.id == bindparam("instance"),
        instances.c.generation == bindparam("own_generation"),
        instances.c.state != "dead",
    )
    .values(
        renewals=instances.c.renewals + 1,
        renewed_at=bindparam("now"),
        connected=bindparam("now_connected"),
        memory_bytes=bindparam("now_memory"),
        cpu_percent=bindparam("now_cpu"),
        engine_pid=bindparam("now_engine"),
    )
)
_RENEWED = select(instances.c.generation, instances.c.state, instances.c.revision).where(
    instances.c.id == bindparam("instance")
)
_EPOCHS = (
    select(assignments.c.id, assignments.c.epoch)
    .where(
        assignments.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        assignments.c.id.in_(bindparam("ids", expanding=True)),
    )
    .order_by(assignments.c.id)
)
_EPOCHS_HELD = _EPOCHS.with_for_update(read=True)
_EPOCHS_HELD_ALONE = _EPOCHS.with_for_update()
_OWNER = select(
    assignments.c.id,
    assignments.c.workspace_id,
    assignments.c.instance_id,
    assignments.c.generation,
    assignments.c.epoch,
    assignments.c.wanted,
    assignments.c.queued_at,
    assignments.c.queue_reason,
    instances.c.url,
    instances.c.state.label("instance_state"),
).select_from(assignments.outerjoin(instances, instances.c.id == assignments.c.instance_id))
_OWNERS = _OWNER.where(assignments.c.id.in_(bindparam("ids", expanding=True)))
_CLOSE_PREVIOUS = (
    update(assignments)
    .where(
        assignments.c.workspace_id == bindparam("workspace"),
        assignments.c.id == bindparam("account"),
        assignments.c.previous_closed.is_(False),
    )
    .values(previous_closed=True)
)
_PLACE = func.coalesce(assignments.c.move_to, assignments.c.instance_id)
_LOADS = (
    select(_PLACE.label("instance_id"), func.count().label("sessions"))
    .where(assignments.c.wanted == "running", _PLACE.is_not(None))
    .group_by(_PLACE)
)
_LEAVING = (
    select(assignments.c.instance_id, func.count().label("sessions"))
    .where(
        assignments.c.wanted == "running",
        assignments.c.move_to.is_not(None),
        assignments.c.move_to != assignments.c.instance_id,
    )
    .group_by(assignments.c.instance_id)
)


# -- instances ------------------------------------------------------------------------------------------------------


def renew(tx: Tx, values: Mapping[str, Any]) -> RowMapping | None:
    """Count one renewal; returns generation, state and revision as they are now, None for an unknown instance."""
    tx.execute(_RENEW, dict(values))
    return tx.execute(_RENEWED, {"instance": values["instance"]}).mappings().first()


def find_instance(tx: Tx, instance_id: str, *, lock: bool = False) -> RowMapping | None:
    """Return an instance's row; `lock` keeps others from changing it until this unit has committed."""
    statement = select(instances).where(instances.c.id == instance_id)
    return tx.one(statement.with_for_update() if lock else statement)


def all_instances(tx: Tx) -> Sequence[RowMapping]:
    """Return all instances in the order of their index."""
    return tx.all(select(instances).order_by(instances.c["index"]))


def hold_instances(tx: Tx) -> Sequence[RowMapping]:
    """Return all instances by id, and keep others from changing them until this unit has committed."""
    return tx.all(select(instances).order_by(instances.c.id).with_for_update())


def next_index(tx: Tx) -> int:
    """Return the first index that no instance has."""
    highest = tx.scalar(select(func.max(instances.c["index"])))
    return 0 if highest is None else int(highest) + 1


def index_is_free(tx: Tx, index: int) -> bool:
    """Tell whether no instance has an index."""
    return tx.scalar(select(instances.c.id).where(instances.c["index"] == index)) is None


def insert_instance(tx: Tx, row: dict[str, Any]) -> None:
    """Add an instance."""
    tx.execute(insert(instances), row)


def update_instance(tx: Tx, instance_id: str, changes: Mapping[str, Any], **expected: Any) -> bool:
    """Change an instance's row if the columns in `expected` still have these values; tells whether they had."""
    statement = update(instances).where(instances.c.id == instance_id)
    for name, value in expected.items():
        statement = statement.where(instances.c[name] == value)
    return bool(tx.execute(statement.values(**changes)).rowcount)


def bump_revisions(tx: Tx, instance_ids: Collection[str]) -> None:
    """Note that the sets of sessions of these instances have changed."""
    if instance_ids:
        tx.execute(
            update(instances).where(instances.c.id.in_(sorted(instance_ids))).values(revision=instances.c.revision + 1)
        )


def loads(tx: Tx) -> dict[str, int]:
    """Return how many sessions are wanted running on each instance; one that is to move counts where it goes."""
    return {row.instance_id: row.sessions for row in tx.execute(_LOADS)}


def leaving(tx: Tx) -> dict[str, int]:
    """Return how many sessions are still on each instance that are to move away."""
    return {row.instance_id: row.sessions for row in tx.execute(_LEAVING)}


def load_of(tx: Tx, instance_id: str) -> int:
    """Return how many sessions are wanted running on one instance, counted as in `loads`."""
    statement = select(func.count()).select_from(assignments)
    return int(tx.scalar(statement.where(assignments.c.wanted == "running", _PLACE.op("=")(instance_id))))


def occupied(tx: Tx, instance_id: str) -> int:
    """Return how many places of an instance are taken: by sessions that are there, and by those that are to come."""
    here = or_(assignments.c.instance_id == instance_id, assignments.c.move_to == instance_id)
    statement = select(func.count()).select_from(assignments)
    return int(tx.scalar(statement.where(assignments.c.wanted == "running", here)))


def reserved_by(tx: Tx, instance_id: str) -> dict[str, int]:
    """Return how many places on others are kept for sessions that are to leave an instance."""
    rows = tx.execute(
        select(assignments.c.move_to, func.count().label("sessions"))
        .where(
            assignments.c.instance_id == instance_id,
            assignments.c.wanted == "running",
            assignments.c.move_to.is_not(None),
        )
        .group_by(assignments.c.move_to)
    )
    return {row.move_to: row.sessions for row in rows}


# -- assignments ----------------------------------------------------------------------------------------------------


def locked_epochs(
    tx: Tx, workspace_ids: Collection[uuid.UUID], ids: Collection[uuid.UUID], *, alone: bool = False
) -> dict[uuid.UUID, int]:
    """Return the present epochs of accounts, locked against change until this unit has committed.

    `alone`: against other units that lock them, too.
    """
    statement = _EPOCHS_HELD_ALONE if alone else _EPOCHS_HELD
    rows = tx.execute(statement, {"workspaces": list(workspace_ids), "ids": list(ids)})
    return {row.id: row.epoch for row in rows}


def owners_of(tx: Tx, ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return who owns these accounts, and where commands to the owner are sent (platform scope)."""
    return tx.execute(_OWNERS, {"ids": list(ids)}).mappings().all()


def owners_after(tx: Tx, after: uuid.UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return the next `limit` rows of the like for all accounts, in the order of their ids (platform scope)."""
    statement = _OWNER.order_by(assignments.c.id).limit(limit)
    return tx.all(statement if after is None else statement.where(assignments.c.id > after))


def take_over_own(tx: Tx, instance_id: str, generation: int, now: dt.datetime, *, proven: bool) -> int:
    """Give every session of an instance to its new generation, under a higher epoch; return how many.

    `proven`: the engine host of the generation before is gone.
    """
    changes: dict[str, Any] = {
        "generation": generation,
        "epoch": assignments.c.epoch + 1,
        "assigned_at": now,
        "queued_at": None,
        "queue_reason": None,
    }
    if not proven:
        changes["previous_closed"] = False
    return int(tx.execute(update(assignments).where(assignments.c.instance_id == instance_id).values(changes)).rowcount)


def assignments_of(
    tx: Tx, instance_id: str, wanted: str | None = "running", *, limit: int | None = None, lock: bool = False
) -> Sequence[RowMapping]:
    """Return an instance's assignments in the order of their accounts (platform scope)."""
    statement = select(assignments).where(assignments.c.instance_id == instance_id).order_by(assignments.c.id)
    if wanted is not None:
        statement = statement.where(assignments.c.wanted == wanted)
    if limit is not None:
        statement = statement.limit(limit)
    return tx.all(statement.with_for_update() if lock else statement)


def running_of_workspace(tx: Tx, workspace_id: uuid.UUID) -> Sequence[RowMapping]:
    """Return the running assignments of a workspace."""
    return tx.all(
        select(assignments)
        .where(assignments.c.workspace_id == workspace_id, assignments.c.wanted == "running")
        .order_by(assignments.c.id)
    )


def present_of(tx: Tx, workspace_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """Return where workspaces have sessions that are wanted running, with their number, counted as in `loads`."""
    statement = (
        select(assignments.c.workspace_id, _PLACE.label("instance_id"), func.count().label("sessions"))
        .where(
            assignments.c.workspace_id.in_(sorted(workspace_ids)),
            assignments.c.wanted == "running",
            _PLACE.is_not(None),
        )
        .group_by(assignments.c.workspace_id, _PLACE)
    )
    found: dict[uuid.UUID, dict[str, int]] = {}
    for row in tx.execute(statement):
        found.setdefault(row.workspace_id, {})[row.instance_id] = row.sessions
    return found


def running_everywhere(tx: Tx) -> Sequence[RowMapping]:
    """Return account, workspace, owner and destination of every session that is wanted running (platform scope)."""
    return tx.all(
        select(assignments.c.id, assignments.c.workspace_id, assignments.c.instance_id, assignments.c.move_to)
        .where(assignments.c.wanted == "running")
        .order_by(assignments.c.id)
    )


def find_assignment(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, *, lock: bool = False) -> RowMapping | None:
    """Return an account's assignment; `lock` keeps others from changing it until this unit has committed."""
    statement = select(assignments).where(assignments.c.workspace_id == workspace_id, assignments.c.id == account_id)
    return tx.one(statement.with_for_update() if lock else statement)


def lock_assignments(tx: Tx, ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return assignments in ascending order, locked until this unit has committed (platform scope)."""
    if not ids:
        return []
    statement = select(assignments).where(assignments.c.id.in_(sorted(ids))).order_by(assignments.c.id)
    return tx.all(statement.with_for_update())


def find_assignment_anywhere(tx: Tx, account_id: uuid.UUID) -> RowMapping | None:
    """Return an account's assignment (platform scope)."""
    return tx.one(select(assignments).where(assignments.c.id == account_id))


def insert_assignment(tx: Tx, row: dict[str, Any]) -> None:
    """Add an assignment."""
    tx.execute(insert(assignments), row)


def update_assignment(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, changes: dict[str, Any]) -> bool:
    """Change an assignment; False when there is none."""
    statement = (
        update(assignments)
        .where(assignments.c.workspace_id == workspace_id, assignments.c.id == account_id)
        .values(changes)
    )
    return tx.execute(statement).rowcount == 1


def close_previous(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Note that a session's present store is the newest and in its owner's hands alone."""
    tx.execute(_CLOSE_PREVIOUS, {"workspace": workspace_id, "account": account_id})


def update_assignments(tx: Tx, ids: Collection[uuid.UUID], changes: dict[str, Any]) -> int:
    """Change several assignments alike (platform scope); return how many there were."""
    if not ids:
        return 0
    return int(tx.execute(update(assignments).where(assignments.c.id.in_(sorted(ids))).values(changes)).rowcount)


_REASSIGN = (
    update(assignments)
    .where(assignments.c.id == bindparam("account"), assignments.c.epoch == bindparam("old_epoch"))
    .values(
        instance_id=bindparam("to_instance"),
        generation=bindparam("to_generation"),
        epoch=bindparam("new_epoch"),
        assigned_at=bindparam("now"),
        previous_closed=bindparam("closed"),
        previous_instance_id=bindparam("from_instance"),
        previous_instance_index=bindparam("from_index"),
        migration_count=assignments.c.migration_count + 1,
        last_migration_at=bindparam("now"),
        move_to=None,
        move_reason=None,
        move_operation_id=None,
        queued_at=None,
        queue_reason=None,
    )
)


def reassign(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give locked assignments to their new owners (platform scope)."""
    if rows:
        tx.execute(_REASSIGN, [dict(row) for row in rows])


def queued(tx: Tx, limit: int) -> Sequence[RowMapping]:
    """Return sessions that wait for room, the longest waiting first (platform scope)."""
    return tx.all(
        select(assignments)
        .where(assignments.c.queued_at.is_not(None), assignments.c.wanted == "running")
        .order_by(assignments.c.queued_at, assignments.c.id)
        .limit(limit)
    )


def moving(tx: Tx, operation_id: uuid.UUID) -> Sequence[RowMapping]:
    """Return the sessions that an operation has told to move and that have not moved yet (platform scope)."""
    return tx.all(
        select(assignments.c.id, assignments.c.workspace_id, assignments.c.instance_id, assignments.c.move_to)
        .where(and_(assignments.c.move_operation_id == operation_id, assignments.c.move_to.is_not(None)))
        .order_by(assignments.c.id)
    )
