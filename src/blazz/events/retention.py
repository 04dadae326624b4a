"""Forgetting old events: the log keeps a number of days, and each workspace knows its oldest position."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import delete, func, select

from blazz.events import log
from blazz.events.tables import event_heads, events
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.time import utc_now

_PLATFORM = Platform("retention of the event log")
_CHUNK = 2_000  # positions per unit: the writer must not be held for long


async def prune(database: Database, keep_days: float) -> int:
    """Remove events older than `keep_days`; return how many. Positions are never given again."""
    before = utc_now() - dt.timedelta(days=keep_days)
    removed = 0
    for workspace_id, last in await database.read(_PLATFORM, _old_positions, before):
        while True:
            count, more = await database.write(_PLATFORM, _prune_some, workspace_id, last)
            removed += count
            if not more:
                break
    return removed


def _old_positions(tx: Tx, before: dt.datetime) -> list[tuple[uuid.UUID, int]]:
    statement = (
        select(events.c.workspace_id, func.max(events.c.position).label("last"))
        .where(events.c.occurred_at < before)
        .group_by(events.c.workspace_id)
    )
    return [(row["workspace_id"], row["last"]) for row in tx.all(statement)]


def _prune_some(tx: Tx, workspace_id: uuid.UUID, last: int) -> tuple[int, bool]:
    oldest = int(tx.scalar(select(event_heads.c.oldest).where(event_heads.c.workspace_id == workspace_id)))
    until = min(last, oldest + _CHUNK - 1)
    gone = delete(events).where(events.c.workspace_id == workspace_id, events.c.position <= until)
    count = tx.execute(gone).rowcount
    if until >= oldest:
        # in the same unit: a reader sees either the events or that they are gone
        log.forget_before(tx, workspace_id, until + 1)
    return count, until < last
