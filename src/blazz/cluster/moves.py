"""What has moved, and the facts that the controller leaves for gateways to show."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blazz.cluster import repository_moves as repository
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now


@dataclass(frozen=True, slots=True)
class NewMove:
    """A session that gets a new owner. `away_at`: when the former one was last known to serve it."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    epoch: int
    from_instance_id: str | None
    to_instance_id: str
    reason: str
    operation_id: uuid.UUID | None
    away_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A change of owner. `seconds` is how long the session was away, None while it has not logged in again."""

    id: uuid.UUID
    account_id: uuid.UUID
    workspace_id: uuid.UUID
    epoch: int
    from_instance_id: str | None
    to_instance_id: str
    reason: str
    operation_id: uuid.UUID | None
    away_at: dt.datetime
    moved_at: dt.datetime
    connected_at: dt.datetime | None

    @property
    def seconds(self) -> float | None:
        """How long the session was away."""
        return None if self.connected_at is None else max(0.0, (self.connected_at - self.away_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Fact:
    """What the controller last said under a name."""

    data: dict[str, Any]
    updated_at: dt.datetime


def record(tx: Tx, new: Sequence[NewMove]) -> None:
    """Write moves into the log, in the unit that changes the owners."""
    now = utc_now()
    rows = [{name: getattr(move, name) for name in NewMove.__slots__} for move in new]
    if rows:
        repository.insert_moves(tx, [{"id": uuid7(), "moved_at": now, "connected_at": None, **row} for row in rows])


def finish(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, epoch: int) -> bool:
    """Note the first login under an epoch; tells whether that ended a move."""
    return repository.finish_move(tx, workspace_id, account_id, epoch, utc_now())


def page(
    tx: Tx,
    before: tuple[dt.datetime, uuid.UUID] | None,
    limit: int,
    *,
    operation_id: uuid.UUID | None = None,
    instance_id: str | None = None,
) -> list[Move]:
    """Return moves, newest first (platform scope)."""
    rows = repository.moves_page(tx, before, limit, operation_id=operation_id, instance_id=instance_id)
    return [Move(**{name: row[name] for name in Move.__slots__}) for row in rows]


def prune(tx: Tx, before: dt.datetime) -> int:
    """Remove moves older than `before` (platform scope); return how many."""
    return repository.prune_moves(tx, before)


def fact(tx: Tx, name: str) -> Fact | None:
    """Return a fact, None when there is none."""
    row = repository.find_fact(tx, name)
    return None if row is None else Fact(row["data"], row["updated_at"])


def set_fact(tx: Tx, name: str, data: dict[str, Any]) -> None:
    """Say something under a name."""
    repository.set_fact(tx, {"name": name, "data": data, "updated_at": utc_now()})


def forget_fact(tx: Tx, name: str) -> None:
    """Take back what was said under a name."""
    repository.remove_fact(tx, name)
