"""language: changes of messages, and what chats, people and groups need. The release before runs on it, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from blazz.kit.db import types

revision = "0003_from_0001"
down_revision = "0002_from_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _messages()
    _chats()
    _media()
    _people()
    _refusals()
    _groups()


def _messages() -> None:
    op.add_column("messages", sa.Column("target_wa_id", types.Key(128), nullable=True))
    op.add_column("messages", sa.Column("target_id", sa.Uuid(), nullable=True))
    op.add_column("messages", sa.Column("extras", types.JsonDoc(), nullable=True))
    for name in ("sent_at", "edited_at", "deleted_at", "hidden_at", "pinned_until", "starred_at"):
        op.add_column("messages", sa.Column(name, types.UtcDateTime(), nullable=True))
    op.add_column("messages", sa.Column("history_rank", sa.BigInteger(), nullable=False, server_default="0"))
    columns = ["workspace_id", "chat_id", "position", "history_rank"]
    op.create_index("ix_messages_order", "messages", columns, unique=False)  # serves whatever the old one did
    op.drop_index("ix_messages_chat", "messages")
    op.create_index("ix_messages_target", "messages", ["account_id", "target_wa_id"], unique=False)
    op.create_index("ix_messages_author", "messages", ["workspace_id", "author"], unique=False)
    op.create_index("ix_message_receipts_recipient", "message_receipts", ["workspace_id", "recipient"], unique=False)
    some = sa.text("pinned_until IS NOT NULL")
    columns = ["workspace_id", "chat_id", "pinned_until"]
    op.create_index("ix_messages_pinned", "messages", columns, sqlite_where=some, postgresql_where=some)


def _chats() -> None:
    op.add_column("chats", sa.Column("timer_s", sa.Integer(), nullable=True))
    for name in ("archived", "marked_unread", "more_on_phone"):
        op.add_column("chats", sa.Column(name, sa.Boolean(), nullable=True))
    for name in ("pinned_at", "muted_until"):
        op.add_column("chats", sa.Column(name, types.UtcDateTime(), nullable=True))
    op.create_index("ix_chats_pinned", "chats", ["workspace_id", "pinned_at"], unique=False)
    op.create_table(
        "labels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("wa_label_id", types.Key(16), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("colour", sa.Integer(), nullable=False),
        *_own("labels"),
        _foreign("labels", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id", "account_id", "wa_label_id", name=op.f("uq_labels_workspace_id_account_id_wa_label_id")
        ),
        info={"workspace_scoped": True},
    )
    op.create_table(
        "chat_labels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("chat_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        *_own("chat_labels"),
        _foreign("chat_labels", "chat_id", "chats"),
        _foreign("chat_labels", "label_id", "labels"),
        sa.UniqueConstraint(
            "workspace_id", "chat_id", "label_id", name=op.f("uq_chat_labels_workspace_id_chat_id_label_id")
        ),
        info={"workspace_scoped": True},
    )
    op.create_table(
        "state_seen",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("collection", types.Key(32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        *_own("state_seen"),
        _foreign("state_seen", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id", "account_id", "collection", name=op.f("uq_state_seen_workspace_id_account_id_collection")
        ),
        info={"workspace_scoped": True},
    )
    op.create_table(
        "phone_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", types.Key(16), nullable=False),
        sa.Column("slot", types.Key(190), nullable=False),
        sa.Column("body", types.JsonDoc(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        *_own("phone_requests"),
        _foreign("phone_requests", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id", "account_id", "slot", name=op.f("uq_phone_requests_workspace_id_account_id_slot")
        ),
        info={"workspace_scoped": True},
    )
    op.create_table(
        "history_imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("wa_message_id", types.Key(128), nullable=False),
        sa.Column("notification", types.Blob(), nullable=False),
        sa.Column("sync_type", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("state", types.Key(16), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("chats", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("failure", sa.String(255), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("progress_at", types.UtcDateTime(), nullable=True),
        sa.Column("finished_at", types.UtcDateTime(), nullable=True),
        *_own("history_imports"),
        _foreign("history_imports", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id",
            "account_id",
            "wa_message_id",
            name=op.f("uq_history_imports_workspace_id_account_id_wa_message_id"),
        ),
        info={"workspace_scoped": True},
    )
    op.create_index(op.f("ix_history_imports_state"), "history_imports", ["state"], unique=False)


def _media() -> None:
    op.add_column("media", sa.Column("details", types.JsonDoc(), nullable=True))
    op.create_table(
        "media_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("task", types.Key(16), nullable=False),
        sa.Column("state", types.Key(16), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("url", types.LongText(), nullable=True),
        sa.Column("failure", sa.String(255), nullable=True),
        sa.Column("path", sa.String(255), nullable=True),
        sa.Column("mime_type", types.Key(100), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("details", types.JsonDoc(), nullable=True),
        sa.Column("thumbnail", sa.LargeBinary(8192), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        *_own("media_jobs"),
        _foreign("media_jobs", "media_id", "media"),
        sa.UniqueConstraint("workspace_id", "media_id", "task", name=op.f("uq_media_jobs_workspace_id_media_id_task")),
        info={"workspace_scoped": True},
    )
    op.create_index(op.f("ix_media_jobs_state_due_at"), "media_jobs", ["state", "due_at"])


def _people() -> None:
    for name, kind in (("book_name", sa.String(128)), ("verified_name", sa.String(128)), ("about", sa.String(255))):
        op.add_column("contacts", sa.Column(name, kind, nullable=True))
    op.add_column("contacts", sa.Column("business", types.JsonDoc(), nullable=True))
    op.add_column("contacts", sa.Column("profile_checked_at", types.UtcDateTime(), nullable=True))
    op.add_column("accounts", sa.Column("presence", types.Key(32), nullable=True))
    op.create_table(
        "account_profiles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("about", sa.String(255), nullable=True),
        sa.Column("media_id", sa.Uuid(), nullable=True),
        sa.Column("picture_id", types.Key(64), nullable=True),
        sa.Column("checked_at", types.UtcDateTime(), nullable=False),
        *_own("account_profiles"),
        _foreign("account_profiles", "account_id", "accounts"),
        _foreign("account_profiles", "media_id", "media", ondelete="NO ACTION"),
        sa.UniqueConstraint("workspace_id", "account_id", name=op.f("uq_account_profiles_workspace_id_account_id")),
        info={"workspace_scoped": True},
    )
    op.create_table(
        "contact_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("event", types.Key(32), nullable=False),
        sa.Column("reason", types.Key(16), nullable=False),
        sa.Column("data", types.JsonDoc(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        *_own("contact_history"),
        _foreign("contact_history", "contact_id", "contacts"),
        info={"workspace_scoped": True},
    )
    op.create_index(
        op.f("ix_contact_history_workspace_id_contact_id_created_at"),
        "contact_history",
        ["workspace_id", "contact_id", "created_at"],
    )
    op.create_table(
        "contact_pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=True),
        sa.Column("picture_id", types.Key(64), nullable=True),
        sa.Column("checked_at", types.UtcDateTime(), nullable=True),
        *_own("contact_pictures"),
        _foreign("contact_pictures", "contact_id", "contacts"),
        _foreign("contact_pictures", "media_id", "media", ondelete="NO ACTION"),
        sa.UniqueConstraint("workspace_id", "contact_id", name=op.f("uq_contact_pictures_workspace_id_contact_id")),
        info={"workspace_scoped": True},
    )
    op.create_table(
        "contact_blocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        *_own("contact_blocks"),
        _foreign("contact_blocks", "contact_id", "contacts"),
        _foreign("contact_blocks", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id",
            "account_id",
            "contact_id",
            name=op.f("uq_contact_blocks_workspace_id_account_id_contact_id"),
        ),
        info={"workspace_scoped": True},
    )
    op.create_index(op.f("ix_contact_blocks_workspace_id_contact_id"), "contact_blocks", ["workspace_id", "contact_id"])
    op.create_table(
        "phone_people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("address", types.Key(64), nullable=False),
        sa.Column("book_name", sa.String(128), nullable=True),
        sa.Column("blocked_at", types.UtcDateTime(), nullable=True),
        *_own("phone_people"),
        _foreign("phone_people", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id", "account_id", "address", name=op.f("uq_phone_people_workspace_id_account_id_address")
        ),
        info={"workspace_scoped": True},
    )
    op.create_index(op.f("ix_phone_people_workspace_id_address"), "phone_people", ["workspace_id", "address"])


def _refusals() -> None:
    for name, kind in (
        ("restrictions", types.JsonDoc()),
        ("call_settings", types.JsonDoc()),
        ("phone_seen_at", types.UtcDateTime()),
        ("phone_warned_at", types.UtcDateTime()),
    ):
        op.add_column("accounts", sa.Column(name, kind, nullable=True))
    op.add_column("instances", sa.Column("client_refused_at", types.UtcDateTime(), nullable=True))
    op.add_column("instances", sa.Column("client_version", types.Key(32), nullable=True))


def _groups() -> None:
    op.add_column("chats", sa.Column("name", sa.String(128), nullable=True))
    op.add_column("chats", sa.Column("member_count", sa.Integer(), nullable=True))
    op.add_column("chats", sa.Column("picture_id", sa.Uuid(), nullable=True))
    op.add_column("chats", sa.Column("closed", types.Key(16), nullable=True))
    op.create_table(
        "groups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("address", types.Key(64), nullable=False),
        sa.Column("state", types.Key(16), nullable=False),
        sa.Column("role", types.Key(16), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("description", types.LongText(), nullable=True),
        sa.Column("owner", types.Key(64), nullable=True),
        sa.Column("founded_at", types.UtcDateTime(), nullable=True),
        sa.Column("announcement", sa.Boolean(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("join_approval", sa.Boolean(), nullable=False),
        sa.Column("member_add_mode", types.Key(16), nullable=False),
        sa.Column("ephemeral_s", sa.Integer(), nullable=False),
        sa.Column("is_community", sa.Boolean(), nullable=False),
        sa.Column("community", types.Key(64), nullable=True),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        *_own("groups"),
        _foreign("groups", "id", "chats"),
        _foreign("groups", "account_id", "accounts"),
        sa.UniqueConstraint(
            "workspace_id", "account_id", "address", name=op.f("uq_groups_workspace_id_account_id_address")
        ),
        info={"workspace_scoped": True},
    )
    op.create_index(op.f("ix_groups_workspace_id_subject_id"), "groups", ["workspace_id", "subject", "id"])
    op.create_table(
        "group_members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("address", types.Key(64), nullable=False),
        sa.Column("phone", types.Key(20), nullable=True),
        sa.Column("lid", types.Key(64), nullable=True),
        sa.Column("role", types.Key(16), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        *_own("group_members"),
        _foreign("group_members", "group_id", "groups"),
        sa.UniqueConstraint(
            "workspace_id", "group_id", "address", name=op.f("uq_group_members_workspace_id_group_id_address")
        ),
        info={"workspace_scoped": True},
    )
    op.create_index(op.f("ix_group_members_workspace_id_address"), "group_members", ["workspace_id", "address"])
    op.create_table(
        "group_pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=True),
        sa.Column("picture_id", types.Key(64), nullable=True),
        sa.Column("checked_at", types.UtcDateTime(), nullable=False),
        *_own("group_pictures"),
        _foreign("group_pictures", "group_id", "groups"),
        _foreign("group_pictures", "media_id", "media", ondelete="NO ACTION"),
        sa.UniqueConstraint("workspace_id", "group_id", name=op.f("uq_group_pictures_workspace_id_group_id")),
        info={"workspace_scoped": True},
    )


def _own(table: str) -> list[sa.Constraint]:
    """Return what every table of a workspace has."""
    return [
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f(f"fk_{table}_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f(f"uq_{table}_workspace_id_id")),
    ]


def _foreign(table: str, column: str, to: str, ondelete: str = "CASCADE") -> sa.Constraint:
    """Return the reference of a workspace's row to another row of the same workspace."""
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{to}.workspace_id", f"{to}.id"],
        name=op.f(f"fk_{table}_workspace_id_{column}"),
        ondelete=ondelete,
    )
