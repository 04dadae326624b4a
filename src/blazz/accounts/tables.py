"""Tables of accounts: the WhatsApp numbers of a workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String

from blazz.kit.db import JsonDoc, Key, UtcDateTime, scoped_table

accounts = scoped_table(
    "accounts",
    Column("name", String(128), nullable=False),
    Column("provider", Key(16), nullable=False),  # whatsapp_web
    Column("phone", Key(20), nullable=True),  # E.164 with plus, known once linked
    Column("jid", Key(64), nullable=True),  # device address of the linked session
    Column("lid", Key(64), nullable=True),
    Column("push_name", String(128), nullable=True),
    Column("business_name", String(128), nullable=True),
    Column("platform", Key(32), nullable=True),  # of the phone, as it tells
    Column("status", Key(24), nullable=False),
    Column("status_since", UtcDateTime(), nullable=False),
    Column("status_expires_at", UtcDateTime(), nullable=True),  # a claim: past this the status is unknown
    Column("status_detail", String(255), nullable=True),
    Column("is_primary", Boolean(), nullable=False),
    Column("disconnect_reason", Key(32), nullable=True),
    Column("disconnect_details", String(255), nullable=True),
    Column("disconnected_at", UtcDateTime(), nullable=True),
    Column("connected_at", UtcDateTime(), nullable=True),
    Column("linked_at", UtcDateTime(), nullable=True),
    Column("last_activity_at", UtcDateTime(), nullable=True),
    Column("qr_starts", JsonDoc(), nullable=False),  # times of QR starts without a link, last hour
    Column("session_storage_path", String(512), nullable=True),
    Column("session_file_size_bytes", BigInteger(), nullable=True),
    Column("session_storage_verified_at", UtcDateTime(), nullable=True),
    Column("session_restore_count", Integer(), nullable=False),
    Column("health_score", Integer(), nullable=True),
    Column("last_cleanup_at", UtcDateTime(), nullable=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("deleted_at", UtcDateTime(), nullable=True),
    Index(None, "workspace_id", "created_at"),
    Index(None, "workspace_id", "phone"),
    Index(None, "status", "status_since"),
    Index(None, "disconnect_reason", "disconnected_at"),
)
