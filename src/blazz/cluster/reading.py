"""What operators look at: who leads, which workspaces live where, who waits for room, and where one number is."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from blazz.cluster import repository_moves
from blazz.cluster import repository_views as repository
from blazz.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Leader:
    """The worker that leads. Its `term` rises with every change of leader."""

    holder: str
    term: int
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class OwnedSessions:
    """Sessions of a workspace on one instance; `leaving` of them are told to move away."""

    instance_id: str
    sessions: int
    leaving: int


@dataclass(frozen=True, slots=True)
class WorkspacePlaces:
    """Where a workspace's running sessions are, the largest part first."""

    workspace_id: uuid.UUID
    parts: tuple[OwnedSessions, ...]


@dataclass(frozen=True, slots=True)
class QueuedSession:
    """A session that fits nowhere; `instance_id` is its former owner."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    instance_id: str | None
    queued_at: dt.datetime
    reason: str


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """Where the session of one number is, and what happened to it."""

    account_id: uuid.UUID
    instance_id: str | None
    instance_index: int | None
    previous_instance_index: int | None
    migration_count: int
    last_migration_at: dt.datetime | None
    move_to: str | None
    queued_at: dt.datetime | None
    queue_reason: str | None


def leader(tx: Tx) -> Leader | None:
    """Return the worker that leads, None when nobody does."""
    row = repository_moves.find_lease(tx, "failover")
    return None if row is None or not row["holder"] else Leader(row["holder"], row["term"], row["taken_at"])


def workspaces(tx: Tx, instance_id: str | None, after: uuid.UUID | None, limit: int) -> list[WorkspacePlaces]:
    """Return workspaces with running sessions (on one instance), by id; all their parts (platform scope)."""
    ids = repository.workspace_ids(tx, instance_id, after, limit)
    parts = repository.sessions_by_owner(tx, ids) if ids else {}
    return [
        WorkspacePlaces(
            workspace_id,
            tuple(
                OwnedSessions(name, sessions, leaving)
                for name, (sessions, leaving) in sorted(
                    parts.get(workspace_id, {}).items(), key=lambda part: (-part[1][0], part[0])
                )
            ),
        )
        for workspace_id in ids
    ]


def queue_length(tx: Tx) -> int:
    """Return how many sessions wait for room (platform scope)."""
    return repository.queue_length(tx)


def queue(tx: Tx, after: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[QueuedSession]:
    """Return sessions that wait for room, the longest waiting first (platform scope)."""
    return [
        QueuedSession(row["id"], row["workspace_id"], row["instance_id"], row["queued_at"], row["queue_reason"] or "")
        for row in repository.queue_page(tx, after, limit)
    ]


def places(tx: Tx, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, SessionPlace]:
    """Return where these numbers of this unit's workspace have their sessions; none for one that never had any."""
    rows = repository.places(tx, tx.workspace_id, account_ids) if account_ids else ()
    names = [name for name in SessionPlace.__slots__ if name != "account_id"]
    return {row["id"]: SessionPlace(row["id"], **{name: row[name] for name in names}) for row in rows}
