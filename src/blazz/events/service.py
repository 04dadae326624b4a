"""Figures of the event log for operators."""

from __future__ import annotations

from sqlalchemy import func, select

from blazz.events.tables import event_heads
from blazz.kit.db import Database, Platform, Tx

_TOTAL = select(func.coalesce(func.sum(event_heads.c.head), 0))


async def count(database: Database) -> int:
    """Return how many events were ever appended, in all workspaces together (one row per workspace is read)."""

    def work(tx: Tx) -> int:
        return int(tx.scalar(_TOTAL))

    return await database.read(Platform("figures for operators"), work)
