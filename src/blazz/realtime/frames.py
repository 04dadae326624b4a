"""The frames of the WebSocket and the shape of an event: the same for browsers, API callers and the log."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

from pydantic import Field

from blazz.events import EventRow
from blazz.events.ephemeral import EphemeralEvent
from blazz.kit.http import Model
from blazz.kit.time import rfc3339

PING = '{"type":"ping"}'
MAX_POSITION = 2**63 - 1

# Close codes; 4400-4499 as HTTP would say it.
CLOSE_BAD_REQUEST = 4400
CLOSE_UNAUTHENTICATED = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_SLOW = 4408
CLOSE_EXPIRED = 4410
CLOSE_GOING_AWAY = 1001
CLOSE_TRY_AGAIN = 1013


class Event(Model):
    """Something that happened. It holds ids and changed fields: fetch what you need."""

    id: uuid.UUID
    position: int = Field(description="Ascends by one in each workspace, without gap.")
    name: str = Field(description="Such as `message.received`.")
    occurred_at: dt.datetime
    account_id: uuid.UUID | None
    data: dict[str, Any]


class EventList(Model):
    """Events after a position, in order."""

    data: list[Event]
    head: int = Field(description="Position of the newest event.")


def position(text: str | None) -> int | None:
    """Return the position that a follower asks for, None for now. Raises ValueError."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise ValueError(text)
    return min(int(text), MAX_POSITION)


def event_of(row: EventRow) -> Event:
    """Return a row of the log in the public shape."""
    return Event(
        id=row.id,
        position=row.position,
        name=row.name,
        occurred_at=row.occurred_at,
        account_id=row.account_id,
        data=row.data,
    )


def event_frame(row: EventRow) -> str:
    """Return the text frame of an event of the log."""
    event = {
        "id": str(row.id),
        "position": row.position,
        "name": row.name,
        "occurred_at": rfc3339(row.occurred_at),
        "account_id": str(row.account_id) if row.account_id else None,
        "data": row.data,
    }
    return _frame({"type": "event", "event": event})


def ephemeral_frame(event: EphemeralEvent) -> str:
    """Return the text frame of something that is true for a moment; it has no position."""
    shown = {
        "name": event.name,
        "account_id": str(event.account_id) if event.account_id else None,
        "data": event.data,
    }
    return _frame({"type": "ephemeral", "event": shown})


def ready_frame(head: int) -> str:
    """Return the first frame: what follows continues from the asked position; `head` is the newest one."""
    return _frame({"type": "ready", "head": head})


def _frame(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), default=str)
