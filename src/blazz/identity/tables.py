"""Tables of people, their browser sessions, one-time codes and API keys."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Uuid

from blazz.kit.db import JsonDoc, Key, UtcDateTime, metadata, scoped_table

users = Table(
    "users",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("email", Key(254), nullable=False, unique=True),  # lower case
    Column("name", String(128), nullable=False),
    Column("password_hash", String(255), nullable=True),  # Argon2id; empty until the person sets one
    Column("platform_admin", Boolean(), nullable=False),
    Column("state", Key(16), nullable=False),  # active | suspended
    Column("created_at", UtcDateTime(), nullable=False),
)

browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("user_id", Uuid(), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("token_digest", Key(64), nullable=False, unique=True),
    Column("csrf_token", Key(64), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("last_seen_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
    Column("user_agent", String(255), nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

# Set-up code of the first owner, one-time sign-in links.
one_time_codes = Table(
    "one_time_codes",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("purpose", Key(16), nullable=False),  # setup | sign_in
    Column("code_digest", Key(64), nullable=False, unique=True),
    Column("user_id", Uuid(), ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=True),
    Column("used_at", UtcDateTime(), nullable=True),
)

api_keys = scoped_table(
    "api_keys",
    Column("name", String(128), nullable=False),
    Column("prefix", Key(16), nullable=False),  # shown in lists, tells keys apart
    Column("secret_digest", Key(64), nullable=False, unique=True),  # SHA-256; the key has 256 bits
    Column("scopes", JsonDoc(), nullable=False),
    Column("created_by", Uuid(), nullable=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=True),
    Column("last_used_at", UtcDateTime(), nullable=True),
    Column("revoked_at", UtcDateTime(), nullable=True),
    Index(None, "workspace_id", "created_at"),
)
