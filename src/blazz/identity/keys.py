"""API keys: `blz_` and 43 characters, stored as SHA-256, scoped, expiring, revocable."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz.identity import repository
from blazz.identity.cache import forget_after_commit
from blazz.identity.caller import ALL_SCOPES
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import FieldError, conflict, invalid, not_found
from blazz.kit.ids import random_token, token_digest, uuid7
from blazz.kit.time import utc_now

PREFIX = "blz_"
_SHOWN = 12
_MAX_KEYS = 200  # per workspace
CURSOR = (dt.datetime, uuid.UUID)


def create(
    tx: Tx,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: dt.datetime | None = None,
    created_by: uuid.UUID | None = None,
) -> tuple[dict[str, Any], str]:
    """Store a new key of this unit's workspace; return (row, key). The key itself cannot be read again."""
    wrong = [scope for scope in scopes if scope not in ALL_SCOPES]
    if wrong or not scopes:
        raise invalid("Choose at least one known scope.", errors=[FieldError("scopes", "Unknown or empty.", "scopes")])
    now = utc_now()
    if expires_at is not None and expires_at <= now:
        raise invalid(
            "The expiry lies in the past.", errors=[FieldError("expires_at", "Must lie in the future.", "expiry_past")]
        )
    if repository.count_live_keys(tx, tx.workspace_id) >= _MAX_KEYS:
        raise conflict("too_many_keys", f"A workspace has at most {_MAX_KEYS} keys; revoke one first.")
    key = PREFIX + random_token(32)
    row = {
        "id": uuid7(),
        "workspace_id": tx.workspace_id,
        "name": name,
        "prefix": key[:_SHOWN],
        "secret_digest": token_digest(key),
        "scopes": sorted(set(scopes)),
        "created_by": created_by,
        "created_at": now,
        "expires_at": expires_at,
        "last_used_at": None,
        "revoked_at": None,
    }
    repository.insert_key(tx, row)
    return row, key


def page(tx: Tx, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> Sequence[RowMapping]:
    """Return keys of this unit's workspace, newest first."""
    return repository.keys_page(tx, tx.workspace_id, before, limit)


def revoke(tx: Tx, key_id: uuid.UUID) -> None:
    """Revoke a key at once. Raises BlazzError `not_found`."""
    if not repository.revoke_key(tx, tx.workspace_id, key_id, utc_now()):
        raise not_found("API key")
    forget_after_commit(tx)


class KeyUsage:
    """Collects when keys were used and writes it at most once a minute, for all keys in one unit."""

    def __init__(self) -> None:
        self._used: dict[uuid.UUID, dt.datetime] = {}

    def saw(self, key_id: uuid.UUID) -> None:
        """Note a use."""
        self._used[key_id] = utc_now()

    async def flush(self, database: Database) -> None:
        """Store what was noted."""
        used, self._used = self._used, {}
        if used:
            await database.write(Platform("last use of API keys"), repository.record_key_use, used)
