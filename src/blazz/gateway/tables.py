"""Table of idempotency keys: what was answered to a request that may be repeated."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, UniqueConstraint

from blazz.kit.db import JsonDoc, Key, UtcDateTime, scoped_table

idempotency_keys = scoped_table(
    "idempotency_keys",
    Column("route", Key(64), nullable=False),
    Column("key", Key(255), nullable=False),
    Column("request_digest", Key(64), nullable=False),  # SHA-256 of the body
    Column("status", Integer(), nullable=False),
    Column("answer", JsonDoc(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "route", "key"),
    Index(None, "created_at"),
)
