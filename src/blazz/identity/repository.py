"""SQL of people, browser sessions, one-time codes and API keys."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, func, insert, or_, select, update

from blazz.identity.tables import api_keys, browser_sessions, one_time_codes, users
from blazz.kit.db import Tx

_USER = select(users.c.id, users.c.email, users.c.name, users.c.password_hash, users.c.platform_admin, users.c.state)
_USER_BY_EMAIL = _USER.where(users.c.email == bindparam("email"))
_USER_BY_ID = _USER.where(users.c.id == bindparam("user"))
_SESSION = (
    select(
        browser_sessions.c.id,
        browser_sessions.c.user_id,
        browser_sessions.c.csrf_token,
        browser_sessions.c.last_seen_at,
        users.c.platform_admin,
    )
    .join(users, users.c.id == browser_sessions.c.user_id)
    .where(
        browser_sessions.c.token_digest == bindparam("digest"),
        browser_sessions.c.expires_at > bindparam("now"),
        users.c.state == "active",
    )
)
_KEY = select(
    api_keys.c.id, api_keys.c.workspace_id, api_keys.c.scopes, api_keys.c.expires_at, api_keys.c.last_used_at
).where(api_keys.c.secret_digest == bindparam("digest"), api_keys.c.revoked_at.is_(None))
_KEY_COLUMNS = (
    api_keys.c.id,
    api_keys.c.name,
    api_keys.c.prefix,
    api_keys.c.scopes,
    api_keys.c.created_at,
    api_keys.c.expires_at,
    api_keys.c.last_used_at,
    api_keys.c.revoked_at,
)


def any_user(tx: Tx) -> bool:
    """Tell whether anybody has an account here."""
    return tx.scalar(select(users.c.id).limit(1)) is not None


def user_by_email(tx: Tx, email: str) -> RowMapping | None:
    """Return the person with this (lower-case) address."""
    return tx.execute(_USER_BY_EMAIL, {"email": email}).mappings().first()


def user_by_id(tx: Tx, user_id: uuid.UUID) -> RowMapping | None:
    """Return the person."""
    return tx.execute(_USER_BY_ID, {"user": user_id}).mappings().first()


def users_by_id(tx: Tx, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, RowMapping]:
    """Return several people (at most a page of them) by id."""
    if not ids:
        return {}
    return {row["id"]: row for row in tx.all(_USER.where(users.c.id.in_(list(ids))))}


def insert_user(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a new person. Raises IntegrityError when the address is taken."""
    tx.execute(insert(users), dict(row))


def update_user(tx: Tx, user_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a person."""
    tx.execute(update(users).where(users.c.id == user_id).values(dict(values)))


def insert_session(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a new browser session."""
    tx.execute(insert(browser_sessions), dict(row))


def live_session(tx: Tx, digest: str, now: dt.datetime) -> RowMapping | None:
    """Return the unexpired session of an active person."""
    return tx.execute(_SESSION, {"digest": digest, "now": now}).mappings().first()


def extend_session(tx: Tx, session_id: uuid.UUID, now: dt.datetime, expires_at: dt.datetime) -> None:
    """Move a session's expiry."""
    tx.execute(
        update(browser_sessions)
        .where(browser_sessions.c.id == session_id)
        .values(last_seen_at=now, expires_at=expires_at)
    )


def delete_session(tx: Tx, session_id: uuid.UUID) -> None:
    """End one session."""
    tx.execute(delete(browser_sessions).where(browser_sessions.c.id == session_id))


def delete_other_sessions(tx: Tx, user_id: uuid.UUID, kept: uuid.UUID) -> None:
    """End all sessions of a person but one."""
    tx.execute(
        delete(browser_sessions).where(and_(browser_sessions.c.user_id == user_id, browser_sessions.c.id != kept))
    )


def insert_code(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a one-time code."""
    tx.execute(insert(one_time_codes), dict(row))


def code_is_open(tx: Tx, purpose: str, digest: str, now: dt.datetime) -> RowMapping | None:
    """Return the code (id, user_id) when it is unused and unexpired."""
    return tx.one(
        select(one_time_codes.c.id, one_time_codes.c.user_id).where(
            one_time_codes.c.purpose == purpose,
            one_time_codes.c.code_digest == digest,
            one_time_codes.c.used_at.is_(None),
            or_(one_time_codes.c.expires_at.is_(None), one_time_codes.c.expires_at > now),
        )
    )


def use_code(tx: Tx, code_id: uuid.UUID, now: dt.datetime) -> bool:
    """Mark a code as used; False when somebody was first."""
    statement = (
        update(one_time_codes)
        .where(one_time_codes.c.id == code_id, one_time_codes.c.used_at.is_(None))
        .values(used_at=now)
    )
    return bool(tx.execute(statement).rowcount)


def delete_codes(tx: Tx, purpose: str) -> None:
    """Forget all codes of a purpose."""
    tx.execute(delete(one_time_codes).where(one_time_codes.c.purpose == purpose))


def live_key(tx: Tx, digest: str) -> RowMapping | None:
    """Return the unrevoked key with this digest, in whichever workspace."""
    return tx.execute(_KEY, {"digest": digest}).mappings().first()


def insert_key(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a new key."""
    tx.execute(insert(api_keys), dict(row))


def keys_page(
    tx: Tx, workspace_id: uuid.UUID, before: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Return keys, newest first."""
    statement = select(*_KEY_COLUMNS).where(api_keys.c.workspace_id == workspace_id)
    if before is not None:
        at, key_id = before
        statement = statement.where(
            or_(api_keys.c.created_at < at, and_(api_keys.c.created_at == at, api_keys.c.id < key_id))
        )
    return tx.all(statement.order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()).limit(limit))


def count_live_keys(tx: Tx, workspace_id: uuid.UUID) -> int:
    """Return how many unrevoked keys a workspace has."""
    statement = select(func.count()).where(api_keys.c.workspace_id == workspace_id, api_keys.c.revoked_at.is_(None))
    return int(tx.scalar(statement))


def revoke_key(tx: Tx, workspace_id: uuid.UUID, key_id: uuid.UUID, now: dt.datetime) -> bool:
    """Revoke a key; False when the workspace has no such key. A revoked one keeps its first moment."""
    here = and_(api_keys.c.workspace_id == workspace_id, api_keys.c.id == key_id)
    if tx.execute(update(api_keys).where(here, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)).rowcount:
        return True
    return tx.scalar(select(api_keys.c.id).where(here)) is not None


_USED = update(api_keys).where(api_keys.c.id == bindparam("key")).values(last_used_at=bindparam("used"))


def record_key_use(tx: Tx, used: Mapping[uuid.UUID, dt.datetime]) -> None:
    """Set `last_used_at` of many keys."""
    tx.execute(_USED, [{"key": key, "used": at} for key, at in sorted(used.items())])


def prune(tx: Tx, now: dt.datetime, revoked_before: dt.datetime) -> int:
    """Remove expired sessions and codes, and keys revoked long ago; return how many rows went."""
    statements = (
        delete(browser_sessions).where(browser_sessions.c.expires_at < now),
        delete(one_time_codes).where(
            one_time_codes.c.purpose != "setup",
            or_(one_time_codes.c.expires_at < now, one_time_codes.c.used_at.is_not(None)),
        ),
        delete(api_keys).where(api_keys.c.revoked_at < revoked_before),
    )
    return sum(tx.execute(statement).rowcount for statement in statements)
