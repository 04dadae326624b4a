"""Tables of media: files of a workspace, stored once per content."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, UniqueConstraint, Uuid

from blazz.kit.db import Blob, JsonDoc, Key, LongText, UtcDateTime, same_workspace, scoped_table

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
    Column("source", Key(16), nullable=False),  # upload | whatsapp | link
    Column("created_at", UtcDateTime(), nullable=False),
    Column("details", JsonDoc(), nullable=True),  # seconds, waveform, pages, animated, plain
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

# What is to be fetched by address or made of a file for a way of sending it, and what came of it. One row for each.
media_jobs = scoped_table(
    "media_jobs",
    Column("media_id", Uuid(), nullable=False),
    Column("task", Key(16), nullable=False),  # fetch | probe | image | sticker | video | gif | note | audio | voice
    Column("state", Key(16), nullable=False),  # pending | processing | completed | failed
    Column("progress", Integer(), nullable=False),  # per cent
    Column("attempts", Integer(), nullable=False),
    Column("due_at", UtcDateTime(), nullable=False),  # while processing: when another worker may take it over
    Column("url", LongText(), nullable=True),  # what to fetch; gone once it is here
    Column("failure", String(255), nullable=True),
    Column("path", String(255), nullable=True),  # object key of what was made; empty when the original does
    Column("mime_type", Key(100), nullable=True),
    Column("size", BigInteger(), nullable=True),  # bytes
    Column("width", Integer(), nullable=True),
    Column("height", Integer(), nullable=True),
    Column("details", JsonDoc(), nullable=True),
    Column("thumbnail", LargeBinary(8192), nullable=True),  # JPEG, for the message
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "media_id", "task"),
    same_workspace("media_id", "media"),
    Index(None, "state", "due_at"),
)
