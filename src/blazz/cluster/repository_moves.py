"""SQL of moves, operations, leadership and the controller's facts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, func, insert, or_, select, update

from blazz.cluster.tables import (
    assignments,
    cluster_facts,
    cluster_leases,
    cluster_moves,
    cluster_operations,
    cluster_processes,
)
from blazz.kit.db import Tx, insert_new, upsert

_FINISH = (
    update(cluster_moves)
    .where(
        cluster_moves.c.workspace_id == bindparam("workspace"),
        cluster_moves.c.account_id == bindparam("account"),
        cluster_moves.c.epoch == bindparam("own_epoch"),
        cluster_moves.c.connected_at.is_(None),
    )
    .values(connected_at=bindparam("now"))
)


# -- moves ----------------------------------------------------------------------------------------------------------


def insert_moves(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add moves."""
    tx.execute(insert(cluster_moves), [dict(row) for row in rows])


def finish_move(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, epoch: int, now: dt.datetime) -> bool:
    """Note the first login after a move; False when there is none that waits for it."""
    values = {"workspace": workspace_id, "account": account_id, "own_epoch": epoch, "now": now}
    return bool(tx.execute(_FINISH, values).rowcount)


def moves_page(
    tx: Tx,
    before: tuple[dt.datetime, uuid.UUID] | None,
    limit: int,
    *,
    operation_id: uuid.UUID | None = None,
    instance_id: str | None = None,
) -> Sequence[RowMapping]:
    """Return moves, newest first (platform scope)."""
    statement = select(cluster_moves)
    if operation_id is not None:
        statement = statement.where(cluster_moves.c.operation_id == operation_id)
    if instance_id is not None:
        statement = statement.where(
            or_(cluster_moves.c.from_instance_id == instance_id, cluster_moves.c.to_instance_id == instance_id)
        )
    if before is not None:
        at, move_id = before
        statement = statement.where(
            or_(cluster_moves.c.moved_at < at, and_(cluster_moves.c.moved_at == at, cluster_moves.c.id < move_id))
        )
    return tx.all(statement.order_by(cluster_moves.c.moved_at.desc(), cluster_moves.c.id.desc()).limit(limit))


def count_moves(tx: Tx, operation_id: uuid.UUID) -> tuple[int, int]:
    """Return how many sessions an operation has moved, and how many of those have logged in (platform scope)."""
    figures = (func.count().label("moved"), func.count(cluster_moves.c.connected_at).label("connected"))
    row = tx.execute(select(*figures).where(cluster_moves.c.operation_id == operation_id)).mappings().one()
    return int(row["moved"]), int(row["connected"])


def connecting(tx: Tx, operation_id: uuid.UUID, since: dt.datetime) -> int:
    """Return how many moved sessions of an operation have not logged in yet, those moved before `since` left out."""
    statement = select(func.count()).where(
        cluster_moves.c.operation_id == operation_id,
        cluster_moves.c.connected_at.is_(None),
        cluster_moves.c.moved_at >= since,
    )
    return int(tx.scalar(statement))


def prune_moves(tx: Tx, before: dt.datetime) -> int:
    """Remove moves older than `before` (platform scope); return how many."""
    return int(tx.execute(delete(cluster_moves).where(cluster_moves.c.moved_at < before)).rowcount)


# -- operations -----------------------------------------------------------------------------------------------------


def insert_operation(tx: Tx, row: Mapping[str, Any]) -> None:
    """Add an operation."""
    tx.execute(insert(cluster_operations), dict(row))


def find_operation(tx: Tx, operation_id: uuid.UUID, *, lock: bool = False) -> RowMapping | None:
    """Return an operation."""
    statement = select(cluster_operations).where(cluster_operations.c.id == operation_id)
    return tx.one(statement.with_for_update() if lock else statement)


def running_operations(tx: Tx) -> Sequence[RowMapping]:
    """Return operations that are not over, the oldest first."""
    statement = select(cluster_operations).where(cluster_operations.c.state == "running")
    return tx.all(statement.order_by(cluster_operations.c.created_at, cluster_operations.c.id))


def operations_page(tx: Tx, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> Sequence[RowMapping]:
    """Return operations, newest first."""
    statement = select(cluster_operations)
    if before is not None:
        at, operation_id = before
        statement = statement.where(
            or_(
                cluster_operations.c.created_at < at,
                and_(cluster_operations.c.created_at == at, cluster_operations.c.id < operation_id),
            )
        )
    order = (cluster_operations.c.created_at.desc(), cluster_operations.c.id.desc())
    return tx.all(statement.order_by(*order).limit(limit))


def update_operation(tx: Tx, operation_id: uuid.UUID, changes: Mapping[str, Any]) -> None:
    """Change an operation."""
    tx.execute(update(cluster_operations).where(cluster_operations.c.id == operation_id).values(**changes))


def clear_moves_of(tx: Tx, operation_id: uuid.UUID) -> int:
    """Take back what an operation has told to move and has not moved yet (platform scope); return how many."""
    statement = (
        update(assignments)
        .where(assignments.c.move_operation_id == operation_id, assignments.c.move_to.is_not(None))
        .values(move_to=None, move_reason=None, move_operation_id=None)
    )
    return int(tx.execute(statement).rowcount)


# -- leadership -----------------------------------------------------------------------------------------------------


def find_lease(tx: Tx, name: str, *, share: bool = False) -> RowMapping | None:
    """Return a leadership; `share` keeps others from taking it until this unit has committed."""
    statement = select(cluster_leases).where(cluster_leases.c.name == name)
    return tx.one(statement.with_for_update(read=True) if share else statement)


def insert_lease(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Add a leadership that nobody ever had; False when somebody was quicker."""
    return insert_new(tx, cluster_leases, ["name"], row)


def renew_lease(tx: Tx, name: str, term: int) -> bool:
    """Count one renewal of a term; False when the term is over."""
    statement = (
        update(cluster_leases)
        .where(cluster_leases.c.name == name, cluster_leases.c.term == term)
        .values(renewals=cluster_leases.c.renewals + 1)
    )
    return bool(tx.execute(statement).rowcount)


def take_lease(tx: Tx, name: str, holder: str, term: int, renewals: int, now: dt.datetime) -> bool:
    """Begin a new term if term and renewals are still these; False when they are not."""
    statement = (
        update(cluster_leases)
        .where(cluster_leases.c.name == name, cluster_leases.c.term == term, cluster_leases.c.renewals == renewals)
        .values(holder=holder, term=term + 1, renewals=renewals + 1, taken_at=now)
    )
    return bool(tx.execute(statement).rowcount)


def give_up_lease(tx: Tx, name: str, term: int) -> None:
    """Leave a term without a holder."""
    tx.execute(
        update(cluster_leases).where(cluster_leases.c.name == name, cluster_leases.c.term == term).values(holder="")
    )


# -- facts and processes --------------------------------------------------------------------------------------------


def find_fact(tx: Tx, name: str) -> RowMapping | None:
    """Return a fact."""
    return tx.one(select(cluster_facts).where(cluster_facts.c.name == name))


def set_fact(tx: Tx, row: Mapping[str, Any]) -> None:
    """Write a fact over the one of the same name."""
    tx.execute(upsert(tx.dialect, cluster_facts, ["name"], ["data", "updated_at"]), dict(row))


def remove_fact(tx: Tx, name: str) -> None:
    """Forget a fact."""
    tx.execute(delete(cluster_facts).where(cluster_facts.c.name == name))


def put_process(tx: Tx, row: Mapping[str, Any]) -> None:
    """Note that a process is alive."""
    tx.execute(upsert(tx.dialect, cluster_processes, ["id"], ["renewed_at"]), dict(row))


def remove_process(tx: Tx, process_id: str) -> None:
    """Forget a process that has ended."""
    tx.execute(delete(cluster_processes).where(cluster_processes.c.id == process_id))


def prune_processes(tx: Tx, before: dt.datetime) -> None:
    """Forget processes that were not heard of since `before`."""
    tx.execute(delete(cluster_processes).where(cluster_processes.c.renewed_at < before))


def processes(tx: Tx, ids: Collection[str] | None = None) -> Sequence[RowMapping]:
    """Return gateways and workers, by role and start."""
    statement = select(cluster_processes).order_by(cluster_processes.c.role, cluster_processes.c.started_at)
    return tx.all(statement if ids is None else statement.where(cluster_processes.c.id.in_(list(ids))))
