"""Reading the event log from a position: gapless, in order, bounded."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from blazz.events.tables import event_heads, events
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError


class PositionExpired(BlazzError):
    """410: the log no longer holds what follows this position. `oldest` is the first position that exists."""

    def __init__(self, oldest: int) -> None:
        super().__init__(
            "position_expired",
            f"Events before position {oldest} are gone; reload and continue from there.",
            410,
        )
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the log."""

    position: int
    id: uuid.UUID
    name: str
    account_id: uuid.UUID | None
    data: dict[str, Any]
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a position, and the head of the log as seen by the same snapshot."""

    events: list[EventRow]
    head: int


def read_head(tx: Tx, workspace_id: uuid.UUID) -> tuple[int, int]:
    """Return (head, oldest): the last position given, and the first position still in the log."""
    row = tx.one(select(event_heads.c.head, event_heads.c.oldest).where(event_heads.c.workspace_id == workspace_id))
    return (row["head"], row["oldest"]) if row else (0, 1)


def read_after(tx: Tx, workspace_id: uuid.UUID, after: int, limit: int = 500) -> EventPage:
    """Return up to `limit` events with a position above `after`. Raises PositionExpired when some of them are gone."""
    head, oldest = read_head(tx, workspace_id)
    if after < oldest - 1:
        raise PositionExpired(oldest)
    rows = tx.all(
        select(
            events.c.position,
            events.c.id,
            events.c.name,
            events.c.account_id,
            events.c.data,
            events.c.occurred_at,
        )
        .where(events.c.workspace_id == workspace_id, events.c.position > after)
        .order_by(events.c.position)
        .limit(limit)
    )
    return EventPage([EventRow(**row) for row in rows], head)
