"""The log of the platform: instances that come and go, moves, alarms. Its positions have no gap; no workspace sees it.

Names: `instance.up`, `instance.draining`, `instance.stopped`, `instance.down`, `instance.rejoined`, `cluster.leader`,
`cluster.hold`, `cluster.moved`, `cluster.queued`, `cluster.workspace_split`, `cluster.capacity_warning`,
`cluster.operation`, `cluster.advice`, `client.refused`, `client.accepted`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from blazz.cluster import repository_log as repository
from blazz.events import Wakeups
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

TOPIC = "platform-events"
_VERSION = 1
_KEY = "platform-events"


@dataclass(frozen=True, slots=True)
class PlatformEvent:
    """One entry. `data` holds ids and figures."""

    position: int
    id: uuid.UUID
    name: str
    data: dict[str, Any]
    occurred_at: dt.datetime


def append(tx: Tx, name: str, data: dict[str, Any]) -> None:
    """Add an event to this unit of work; it gets its position as one of the last statements of the commit."""
    drafts = tx.notes.get(_KEY)
    if not isinstance(drafts, list):
        drafts = tx.notes[_KEY] = []
        tx.flush_together(_flush, drafts)
    drafts.append({"id": uuid7(), "name": name, "version": _VERSION, "data": data, "occurred_at": utc_now()})


def _flush(tx: Tx, units: Sequence[list[dict[str, Any]]]) -> None:
    drafts = [draft for unit in units for draft in unit]
    first = repository.advance(tx, len(drafts)) - len(drafts) + 1
    repository.insert_events(tx, [{**draft, "position": first + index} for index, draft in enumerate(drafts)])
    Wakeups.shared().notify_after_commit(tx, TOPIC)


def read_after(tx: Tx, after: int, limit: int = 200) -> list[PlatformEvent]:
    """Return events behind a position, in order."""
    return [_event(row) for row in repository.events_after(tx, after, limit)]


def read_before(tx: Tx, before: int | None, limit: int = 50) -> list[PlatformEvent]:
    """Return the newest events (below position `before`), newest first."""
    return [_event(row) for row in repository.events_before(tx, before, limit)]


def head(tx: Tx) -> int:
    """Return the position of the newest event, 0 when there is none."""
    return repository.head(tx)


def oldest(tx: Tx) -> int | None:
    """Return the position of the oldest event that is still kept, None when there is none."""
    return repository.oldest(tx)


def prune(tx: Tx, before: dt.datetime) -> int:
    """Remove events older than `before`; return how many."""
    return repository.prune(tx, before)


def _event(row: RowMapping) -> PlatformEvent:
    return PlatformEvent(row["position"], row["id"], row["name"], row["data"], row["occurred_at"])
