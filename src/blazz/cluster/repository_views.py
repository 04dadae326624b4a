"""SQL of what operators and owners of numbers look at: who lives where, and who waits."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, and_, func, or_, select

from blazz.cluster.tables import assignments, instances
from blazz.kit.db import Tx

_RUNNING = assignments.c.wanted == "running"


def workspace_ids(tx: Tx, instance_id: str | None, after: uuid.UUID | None, limit: int) -> list[uuid.UUID]:
    """Return workspaces that have running sessions (on this instance, if one is named), by id (platform scope)."""
    statement = select(assignments.c.workspace_id).where(_RUNNING, assignments.c.instance_id.is_not(None))
    if instance_id is not None:
        statement = statement.where(assignments.c.instance_id == instance_id)
    if after is not None:
        statement = statement.where(assignments.c.workspace_id > after)
    statement = statement.group_by(assignments.c.workspace_id).order_by(assignments.c.workspace_id).limit(limit)
    return [row.workspace_id for row in tx.execute(statement)]


def sessions_by_owner(tx: Tx, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, tuple[int, int]]]:
    """Return for workspaces how many running sessions each instance has, and how many of those leave it."""
    statement = (
        select(
            assignments.c.workspace_id,
            assignments.c.instance_id,
            func.count().label("sessions"),
            func.count(assignments.c.move_to).label("leaving"),
        )
        .where(assignments.c.workspace_id.in_(sorted(ids)), _RUNNING, assignments.c.instance_id.is_not(None))
        .group_by(assignments.c.workspace_id, assignments.c.instance_id)
    )
    found: dict[uuid.UUID, dict[str, tuple[int, int]]] = {}
    for row in tx.execute(statement):
        found.setdefault(row.workspace_id, {})[row.instance_id] = (row.sessions, row.leaving)
    return found


def queue_length(tx: Tx) -> int:
    """Return how many sessions wait for room (platform scope)."""
    return int(
        tx.scalar(select(func.count()).select_from(assignments).where(assignments.c.queued_at.is_not(None), _RUNNING))
    )


def queue_page(tx: Tx, after: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> Sequence[RowMapping]:
    """Return sessions that wait for room, the longest waiting first (platform scope)."""
    statement = select(assignments).where(assignments.c.queued_at.is_not(None), _RUNNING)
    if after is not None:
        at, account_id = after
        statement = statement.where(
            or_(assignments.c.queued_at > at, and_(assignments.c.queued_at == at, assignments.c.id > account_id))
        )
    return tx.all(statement.order_by(assignments.c.queued_at, assignments.c.id).limit(limit))


def places(tx: Tx, workspace_id: uuid.UUID, account_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return where accounts of a workspace have their sessions, with what happened to them."""
    return tx.all(
        select(
            assignments.c.id,
            assignments.c.instance_id,
            instances.c["index"].label("instance_index"),
            assignments.c.previous_instance_index,
            assignments.c.migration_count,
            assignments.c.last_migration_at,
            assignments.c.move_to,
            assignments.c.queued_at,
            assignments.c.queue_reason,
        )
        .select_from(assignments.outerjoin(instances, instances.c.id == assignments.c.instance_id))
        .where(assignments.c.workspace_id == workspace_id, assignments.c.id.in_(sorted(account_ids)))
    )
