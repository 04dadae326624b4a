"""Tables of accounts: the WhatsApp numbers of a workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, UniqueConstraint, Uuid

from blazz.kit.db import JsonDoc, Key, UtcDateTime, same_workspace, scoped_table

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
    Column("presence", Key(32), nullable=True),  # hidden (also when null) | available_while_inbox_is_open
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
    Column("restrictions", JsonDoc(), nullable=True),  # by kind: what WhatsApp forbids for now
    Column("call_settings", JsonDoc(), nullable=True),  # reject, reply
    Column("phone_seen_at", UtcDateTime(), nullable=True),  # last sign of the phone itself
    Column("phone_warned_at", UtcDateTime(), nullable=True),  # that it was silent for long
    Column("created_at", UtcDateTime(), nullable=False),
    Column("deleted_at", UtcDateTime(), nullable=True),
    Index(None, "workspace_id", "created_at"),
    Index(None, "workspace_id", "phone"),
    Index(None, "status", "status_since"),
    Index(None, "disconnect_reason", "disconnected_at"),
)

# What customers see of a number beside its names, as WhatsApp told last.
account_profiles = scoped_table(
    "account_profiles",
    Column("account_id", Uuid(), nullable=False),
    Column("about", String(255), nullable=True),
    Column("media_id", Uuid(), nullable=True),  # the picture
    Column("picture_id", Key(64), nullable=True),  # WhatsApp's id of it
    Column("checked_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "account_id"),
    same_workspace("account_id", "accounts"),
    same_workspace("media_id", "media", ondelete="NO ACTION"),
)
