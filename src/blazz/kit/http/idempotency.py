"""Idempotency keys: a repeated request gets the first one's answer, kept in the same unit of work as its effect."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import Column, Index, Integer, UniqueConstraint, and_, bindparam, delete, insert, select

from blazz.kit.db import Database, JsonDoc, Key, Platform, Tx, UtcDateTime, scoped_table
from blazz.kit.errors import invalid
from blazz.kit.http.models import RequestModel
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

KEPT = dt.timedelta(hours=24)

idempotency_keys = scoped_table(
    "idempotency_keys",
    Column("route", Key(64), nullable=False),
    Column("key", Key(255), nullable=False),
    Column("request_digest", Key(64), nullable=False),  # SHA-256 of the request
    Column("status", Integer(), nullable=False),
    Column("answer", JsonDoc(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "route", "key"),
    Index(None, "created_at"),
)

IdempotencyKeyParam = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Send the same key to repeat a request without doing it twice. Kept 24 hours.",
    ),
]


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """What makes two requests the same: route, key, and a digest of the content."""

    route: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request was answered."""

    status: int
    answer: Any


def idempotent(route: str, key: str | None, body: RequestModel) -> IdempotentRequest | None:
    """Return what identifies this request, or None when the caller sent no key. `route` is a short stable name."""
    if key is None:
        return None
    content = json.dumps(body.model_dump(mode="json", exclude_unset=True), sort_keys=True, separators=(",", ":"))
    return IdempotentRequest(route, key, hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest())


_FIND = select(
    idempotency_keys.c.id,
    idempotency_keys.c.request_digest,
    idempotency_keys.c.status,
    idempotency_keys.c.answer,
    idempotency_keys.c.created_at,
).where(
    idempotency_keys.c.workspace_id == bindparam("workspace"),
    idempotency_keys.c.route == bindparam("on_route"),
    idempotency_keys.c.key == bindparam("with_key"),
)
_INSERT = insert(idempotency_keys)


def recall(tx: Tx, request: IdempotentRequest) -> StoredAnswer | None:
    """Return the stored answer of an earlier equal request; call it first in the unit that does the work.

    Raises BlazzError `idempotency_key_reused` (422) when the key came with another content.
    """
    tx.apart(("idempotency", tx.workspace_id, request.route, request.key))  # the answer is stored at the end only
    parameters = {"workspace": tx.workspace_id, "on_route": request.route, "with_key": request.key}
    row = tx.execute(_FIND, parameters).mappings().first()
    if row is None:
        return None
    if row["created_at"] < utc_now() - KEPT:
        tx.execute(_delete_one(tx.workspace_id, row["id"]))
        return None
    if row["request_digest"] != request.digest:
        raise invalid("This Idempotency-Key was used with another request.", code="idempotency_key_reused")
    return StoredAnswer(row["status"], row["answer"])


def remember(tx: Tx, request: IdempotentRequest, status: int, answer: Any) -> None:
    """Store the answer (JSON) in the commit of the unit that does the work."""
    row = {
        "id": uuid7(),
        "workspace_id": tx.workspace_id,
        "route": request.route,
        "key": request.key,
        "request_digest": request.digest,
        "status": status,
        "answer": answer,
        "created_at": utc_now(),
    }
    tx.flush_together(_store, row)


def _store(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    tx.execute(_INSERT, rows)


async def prune(database: Database) -> int:
    """Remove keys older than 24 hours; return how many."""

    def work(tx: Tx) -> int:
        return tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < utc_now() - KEPT)).rowcount

    return await database.write(Platform("housekeeping of idempotency keys"), work)


def _delete_one(workspace_id: uuid.UUID, row_id: uuid.UUID) -> Any:
    return delete(idempotency_keys).where(
        and_(idempotency_keys.c.workspace_id == workspace_id, idempotency_keys.c.id == row_id)
    )
