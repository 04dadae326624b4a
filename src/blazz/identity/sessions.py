"""Browser sessions: random tokens kept as digests, with an expiry that moves while they are used."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from blazz.identity import repository
from blazz.identity.cache import forget_after_commit
from blazz.kit.db import Tx
from blazz.kit.ids import random_token, token_digest, uuid7
from blazz.kit.time import utc_now

SESSION_TTL = dt.timedelta(days=30)
_EXTEND_AFTER = dt.timedelta(hours=1)  # no write per page view


@dataclass(frozen=True, slots=True)
class NewSession:
    """What goes into the browser's cookies."""

    id: uuid.UUID
    token: str
    csrf_token: str


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that is valid now."""

    id: uuid.UUID
    user_id: uuid.UUID
    csrf_token: str
    due: bool
    """Whether its expiry should be moved."""
    platform_admin: bool = False


def start(tx: Tx, user_id: uuid.UUID, user_agent: str) -> NewSession:
    """Begin a session of 30 days."""
    made = NewSession(uuid7(), random_token(), random_token(24))
    now = utc_now()
    repository.insert_session(
        tx,
        {
            "id": made.id,
            "user_id": user_id,
            "token_digest": token_digest(made.token),
            "csrf_token": made.csrf_token,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + SESSION_TTL,
            "user_agent": user_agent[:255],
        },
    )
    return made


def find(tx: Tx, digest: str) -> LiveSession | None:
    """Return the session whose token has this digest, while it is valid."""
    now = utc_now()
    row = repository.live_session(tx, digest, now)
    if row is None:
        return None
    due = now - row["last_seen_at"] > _EXTEND_AFTER
    return LiveSession(row["id"], row["user_id"], row["csrf_token"], due, row["platform_admin"])


def extend(tx: Tx, session_id: uuid.UUID) -> None:
    """Give a session 30 days from now."""
    now = utc_now()
    repository.extend_session(tx, session_id, now, now + SESSION_TTL)


def end(tx: Tx, session_id: uuid.UUID) -> None:
    """End a session."""
    repository.delete_session(tx, session_id)
    forget_after_commit(tx)
