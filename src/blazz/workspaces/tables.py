"""Tables of workspaces, their members and invitations."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Uuid

from blazz.kit.db import (
    JsonDoc,
    Key,
    UtcDateTime,
    metadata,
    scoped_table,
    workspace_key,
)

# The root of every tenant; itself not scoped.
workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("number", Integer(), nullable=False, unique=True),  # ascending from 1; feeds the placement formula
    Column("name", String(128), nullable=False),
    Column("timezone", Key(64), nullable=False),
    Column("default_country", Key(2), nullable=False),  # for numbers typed without a country code
    Column("settings", JsonDoc(), nullable=False),
    Column("priority", Integer(), nullable=False, default=0),  # the higher, the earlier its sessions find a new place
    Column("created_at", UtcDateTime(), nullable=False),
    Column("deleted_at", UtcDateTime(), nullable=True),
)

memberships = Table(
    "memberships",
    metadata,
    workspace_key(primary_key=True),
    Column("user_id", Uuid(), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Key(16), nullable=False),  # owner | manager | agent
    Column("state", Key(16), nullable=False),  # active | suspended
    Column("created_at", UtcDateTime(), nullable=False),
    Index(None, "user_id"),
    info={"workspace_scoped": True},
)

invitations = scoped_table(
    "invitations",
    Column("email", Key(254), nullable=False),  # lower case
    Column("role", Key(16), nullable=False),
    Column("token_digest", Key(64), nullable=False, unique=True),
    Column("invited_by", Uuid(), nullable=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
    Column("accepted_at", UtcDateTime(), nullable=True),
    Column("revoked", Boolean(), nullable=False),
    Index(None, "workspace_id", "created_at"),
)
