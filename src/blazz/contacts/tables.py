"""Tables of contacts: people, and the identifiers under which they are known."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, UniqueConstraint, Uuid

from blazz.kit.db import Key, UtcDateTime, same_workspace, scoped_table

contacts = scoped_table(
    "contacts",
    Column("name", String(128), nullable=True),  # given by the team
    Column("push_name", String(128), nullable=True),  # chosen by the person on WhatsApp
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Index(None, "workspace_id", "created_at"),
)

contact_identifiers = scoped_table(
    "contact_identifiers",
    Column("contact_id", Uuid(), nullable=False),
    Column("kind", Key(16), nullable=False),  # phone | lid | username | business_id
    Column("value", Key(64), nullable=False),  # phone: E.164 with plus; lid: digits
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "kind", "value"),
    same_workspace("contact_id", "contacts"),
    Index(None, "workspace_id", "contact_id"),
)
