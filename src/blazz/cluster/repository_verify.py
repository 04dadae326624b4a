"""Reads of `blazz db verify` in the tables of this room."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, func, select

from blazz.cluster.tables import assignments, instances, platform_events, platform_heads
from blazz.kit.db import Tx


def all_assignments(tx: Tx) -> Sequence[RowMapping]:
    """Return what `verify` compares of every assignment."""
    table = assignments.c
    wanted = (table.id, table.workspace_id, table.instance_id, table.generation, table.epoch, table.wanted)
    return tx.all(select(*wanted, table.move_to, table.queued_at).order_by(table.id))


def generations(tx: Tx) -> dict[str, int]:
    """Return every instance's present generation."""
    return {row["id"]: row["generation"] for row in tx.all(select(instances.c.id, instances.c.generation))}


def platform_log(tx: Tx) -> tuple[int, int, int, int]:
    """Return (head, first, last, count) of the platform's log; zeros when it is empty."""
    head = tx.scalar(select(platform_heads.c.head).where(platform_heads.c.id == 1)) or 0
    at = platform_events.c.position
    row = tx.one(select(func.min(at).label("first"), func.max(at).label("last"), func.count().label("count")))
    assert row is not None
    return head, row["first"] or 0, row["last"] or 0, row["count"]
