"""Tables of groups and their members."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, UniqueConstraint, Uuid

from blazz.kit.db import Key, LongText, UtcDateTime, same_workspace, scoped_table

# A group's id is the id of its chat: one account in one group.
groups = scoped_table(
    "groups",
    Column("account_id", Uuid(), nullable=False),
    Column("address", Key(64), nullable=False),  # ...@g.us
    Column("state", Key(16), nullable=False),  # member | pending | left | removed | deleted
    Column("role", Key(16), nullable=False),  # our own: member | admin | superadmin
    Column("subject", String(128), nullable=False),
    Column("description", LongText(), nullable=True),
    Column("owner", Key(64), nullable=True),  # canonical address
    Column("founded_at", UtcDateTime(), nullable=True),
    Column("announcement", Boolean(), nullable=False),  # only admins write
    Column("locked", Boolean(), nullable=False),  # only admins change subject, description, picture
    Column("join_approval", Boolean(), nullable=False),
    Column("member_add_mode", Key(16), nullable=False),  # admin_add | all_member_add
    Column("ephemeral_s", Integer(), nullable=False),  # how long messages stay; 0: for ever
    Column("is_community", Boolean(), nullable=False),
    Column("community", Key(64), nullable=True),  # address of the community that it belongs to
    Column("suspended", Boolean(), nullable=False),
    Column("member_count", Integer(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "account_id", "address"),
    same_workspace("id", "chats"),
    same_workspace("account_id", "accounts"),
    Index(None, "workspace_id", "subject", "id"),
)

# Members are known by address: only those with whom the workspace has to do are contacts, too.
group_members = scoped_table(
    "group_members",
    Column("group_id", Uuid(), nullable=False),
    Column("address", Key(64), nullable=False),  # canonical: ...@lid where known, else ...@s.whatsapp.net
    Column("phone", Key(20), nullable=True),  # E.164 with plus
    Column("lid", Key(64), nullable=True),  # digits
    Column("role", Key(16), nullable=False),  # member | admin | superadmin
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "group_id", "address"),
    same_workspace("group_id", "groups"),
    Index(None, "workspace_id", "address"),
)

group_pictures = scoped_table(
    "group_pictures",
    Column("group_id", Uuid(), nullable=False),
    Column("media_id", Uuid(), nullable=True),  # null: there is none
    Column("picture_id", Key(64), nullable=True),  # WhatsApp's; tells whether it is another one
    Column("checked_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "group_id"),
    same_workspace("group_id", "groups"),
    same_workspace("media_id", "media", ondelete="NO ACTION"),
)
