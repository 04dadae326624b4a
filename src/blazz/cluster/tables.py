"""Tables of instances and of who owns which session. This room knows accounts only by id."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from blazz.kit.db import Key, UtcDateTime, metadata, scoped_table

instances = Table(
    "instances",
    metadata,
    Column("id", Key(64), primary_key=True),  # a name given by the operator, or derived from the host
    Column("index", Integer(), nullable=False, unique=True),  # 0..n-1, feeds the placement formula
    Column("url", String(255), nullable=False),
    Column("generation", BigInteger(), nullable=False),  # rises at every start of the instance
    Column("renewals", BigInteger(), nullable=False),  # the counter that watchers observe
    Column("state", Key(16), nullable=False),  # healthy | draining | stopped
    Column("capacity", Integer(), nullable=False),
    Column("version", Key(32), nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Column("renewed_at", UtcDateTime(), nullable=False),  # for people; no decision rests on it
)

# One row per account: `id` is the account's id.
assignments = scoped_table(
    "assignments",
    Column("instance_id", Key(64), nullable=True),
    Column("generation", BigInteger(), nullable=False),  # the owner's
    Column("epoch", BigInteger(), nullable=False),  # only rises
    Column("wanted", Key(16), nullable=False),  # running | stopped: what people asked for
    Column("assigned_at", UtcDateTime(), nullable=True),
    Column("previous_instance_id", Key(64), nullable=True),
    Column("migration_count", Integer(), nullable=False),
    Column("last_migration_at", UtcDateTime(), nullable=True),
    UniqueConstraint("id", "epoch"),
    Index(None, "instance_id", "wanted"),
)
