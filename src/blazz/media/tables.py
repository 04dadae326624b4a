"""Tables of media: files of a workspace, stored once per content."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, UniqueConstraint, Uuid

from blazz.kit.db import Blob, Key, UtcDateTime, same_workspace, scoped_table

media = scoped_table(
    "media",
    Column("sha256", Key(64), nullable=True),  # hex of the plain content; unknown until it is here
    Column("path", String(255), nullable=True),  # object key of the original beneath the media store
    Column("mime_type", Key(100), nullable=False),
    Column("filename", String(255), nullable=True),
    Column("size", BigInteger(), nullable=True),  # bytes
    Column("width", Integer(), nullable=True),
    Column("height", Integer(), nullable=True),
    Column("thumbnail", LargeBinary(8192), nullable=True),  # tiny blurred placeholder, WebP
    Column("status", Key(16), nullable=False),  # pending | completed | failed
    Column("failure", String(255), nullable=True),
    Column("source", Key(16), nullable=False),  # upload | whatsapp
    Column("created_at", UtcDateTime(), nullable=False),
    Index(None, "workspace_id", "sha256"),
    Index(None, "workspace_id", "created_at"),
)

# What the engine needs to fetch a file of an inbound message; encrypted at rest, gone once it is here.
media_downloads = scoped_table(
    "media_downloads",
    Column("media_id", Uuid(), nullable=False),
    Column("account_id", Uuid(), nullable=False),
    Column("message_id", Uuid(), nullable=False),  # no foreign key: the message is inserted last in its unit
    Column("reference", Blob(), nullable=False),  # sealed JSON: direct path, keys, hashes
    Column("attempts", Integer(), nullable=False),
    Column("due_at", UtcDateTime(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "media_id"),
    same_workspace("media_id", "media"),
    same_workspace("account_id", "accounts"),
    Index(None, "due_at"),
)
