"""Tables of the event log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Uuid

from blazz.kit.db import JsonDoc, Key, UtcDateTime, metadata, workspace_key

SCOPED_INFO = {"workspace_scoped": True}

# referenced by nothing: the row lock taken here is the last of a transaction
event_heads = Table(
    "event_heads",
    metadata,
    workspace_key(primary_key=True),
    Column("head", BigInteger(), nullable=False),
    Column("oldest", BigInteger(), nullable=False),
    info=SCOPED_INFO,
)

events = Table(
    "events",
    metadata,
    workspace_key(primary_key=True),
    Column("position", BigInteger(), primary_key=True, autoincrement=False),
    Column("id", Uuid(), nullable=False, unique=True),
    Column("name", Key(64), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("account_id", Uuid(), nullable=True),
    Column("data", JsonDoc(), nullable=False),
    Column("occurred_at", UtcDateTime(), nullable=False),
    Index(None, "occurred_at"),
    info=SCOPED_INFO,
)
