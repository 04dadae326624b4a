"""SQL of instances and assignments."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, insert, select, update

from blazz.cluster.tables import assignments, instances
from blazz.kit.db import Tx

_RENEW = (
    update(instances)
    .where(instances.c.id == bindparam("instance"), instances.c.generation == bindparam("own_generation"))
    .values(renewals=instances.c.renewals + 1, renewed_at=bindparam("now"))
)
_LOCKED_EPOCHS = (
    select(assignments.c.id, assignments.c.epoch)
    .where(
        assignments.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        assignments.c.id.in_(bindparam("ids", expanding=True)),
    )
    .order_by(assignments.c.id)
    .with_for_update(read=True)
)


def renew(tx: Tx, instance_id: str, generation: int, now: dt.datetime) -> bool:
    """Count one renewal; False when another process has taken this instance's name."""
    values = {"instance": instance_id, "own_generation": generation, "now": now}
    return tx.execute(_RENEW, values).rowcount == 1


def locked_epochs(tx: Tx, workspace_ids: Collection[uuid.UUID], ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return the present epochs of accounts, locked against change until this unit has committed."""
    rows = tx.execute(_LOCKED_EPOCHS, {"workspaces": list(workspace_ids), "ids": list(ids)})
    return {row.id: row.epoch for row in rows}


def find_instance(tx: Tx, instance_id: str) -> RowMapping | None:
    """Return an instance's row."""
    return tx.one(select(instances).where(instances.c.id == instance_id))


def next_index(tx: Tx) -> int:
    """Return the first index that no instance has."""
    highest = tx.scalar(select(func.max(instances.c["index"])))
    return 0 if highest is None else int(highest) + 1


def insert_instance(tx: Tx, row: dict[str, Any]) -> None:
    """Add an instance."""
    tx.execute(insert(instances), row)


def update_instance(tx: Tx, instance_id: str, changes: dict[str, Any]) -> None:
    """Change an instance's row."""
    tx.execute(update(instances).where(instances.c.id == instance_id).values(changes))


def instances_with_load(tx: Tx) -> Sequence[RowMapping]:
    """Return healthy instances with the number of sessions that are wanted running there (platform scope)."""
    load = (
        select(assignments.c.instance_id, func.count().label("sessions"))
        .where(assignments.c.wanted == "running")
        .group_by(assignments.c.instance_id)
        .subquery()
    )
    statement = (
        select(
            instances.c.id,
            instances.c.generation,
            instances.c.capacity,
            func.coalesce(load.c.sessions, 0).label("sessions"),
        )
        .select_from(instances.outerjoin(load, load.c.instance_id == instances.c.id))
        .where(instances.c.state == "healthy")
        .order_by(instances.c["index"])
    )
    return tx.all(statement)


def take_over_own(tx: Tx, instance_id: str, generation: int, now: dt.datetime) -> int:
    """Give every session of an instance to its new generation, under a higher epoch; return how many."""
    statement = (
        update(assignments)
        .where(assignments.c.instance_id == instance_id)
        .values(generation=generation, epoch=assignments.c.epoch + 1, assigned_at=now)
    )
    return int(tx.execute(statement).rowcount)


def assignments_of(tx: Tx, instance_id: str, wanted: str) -> Sequence[RowMapping]:
    """Return an instance's assignments, oldest account first (platform scope)."""
    statement = (
        select(assignments)
        .where(assignments.c.instance_id == instance_id, assignments.c.wanted == wanted)
        .order_by(assignments.c.id)
    )
    return tx.all(statement)


def find_assignment(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> RowMapping | None:
    """Return an account's assignment."""
    return tx.one(
        select(assignments)
        .where(assignments.c.workspace_id == workspace_id, assignments.c.id == account_id)
        .with_for_update()
    )


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
