"""SQL of the platform's own log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, update

from blazz.cluster.tables import platform_events, platform_heads
from blazz.kit.db import Tx, insert_or_ignore

_ADVANCE = (
    update(platform_heads).where(platform_heads.c.id == 1).values(head=platform_heads.c.head + bindparam("count"))
)
_HEAD = select(platform_heads.c.head).where(platform_heads.c.id == 1)


def advance(tx: Tx, count: int) -> int:
    """Reserve `count` positions and return the last of them; the row stays locked until this unit commits."""
    if not tx.execute(_ADVANCE, {"count": count}).rowcount:
        tx.execute(insert_or_ignore(tx.dialect, platform_heads, ["id"]), {"id": 1, "head": 0})
        tx.execute(_ADVANCE, {"count": count})
    return int(tx.scalar(_HEAD))


def insert_events(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Add events."""
    tx.execute(insert(platform_events), list(rows))


def head(tx: Tx) -> int:
    """Return the last position given; 0 when there is none."""
    return int(tx.scalar(_HEAD) or 0)


def oldest(tx: Tx) -> int | None:
    """Return the lowest position that is kept."""
    found = tx.scalar(select(func.min(platform_events.c.position)))
    return None if found is None else int(found)


def events_after(tx: Tx, after: int, limit: int) -> Sequence[RowMapping]:
    """Return events with a position above `after`, in order."""
    return tx.all(
        select(platform_events)
        .where(platform_events.c.position > after)
        .order_by(platform_events.c.position)
        .limit(limit)
    )


def events_before(tx: Tx, before: int | None, limit: int) -> Sequence[RowMapping]:
    """Return events with a position below `before` (None: the newest), newest first."""
    statement = select(platform_events)
    if before is not None:
        statement = statement.where(platform_events.c.position < before)
    return tx.all(statement.order_by(platform_events.c.position.desc()).limit(limit))


def prune(tx: Tx, before: dt.datetime) -> int:
    """Remove events older than `before`; return how many."""
    return int(tx.execute(delete(platform_events).where(platform_events.c.occurred_at < before)).rowcount)
