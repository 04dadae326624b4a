"""Tables of what a number shares with its own phone: history that is taken in, settings, requests to the phone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, UniqueConstraint, Uuid

from blazz.kit.db import Blob, JsonDoc, Key, UtcDateTime, same_workspace, scoped_table

# A blob of history that the phone has announced. It stays for the record of what was imported.
history_imports = scoped_table(
    "history_imports",
    Column("account_id", Uuid(), nullable=False),
    Column("wa_message_id", Key(128), nullable=False),  # of the notice
    Column("notification", Blob(), nullable=False),  # sealed: it holds the keys of the blob; empty when finished
    Column("sync_type", Integer(), nullable=False),  # WhatsApp's: 0 bootstrap, 2 full, 3 recent, 4 names, 6 on demand
    Column("progress", Integer(), nullable=False),  # percent of the whole history once this blob is stored
    # waiting | stored (the phone has not been told yet) | done | failed | interrupted (its pairing is gone)
    Column("state", Key(16), nullable=False),
    Column("pieces", Integer(), nullable=False),  # stored so far
    Column("chats", Integer(), nullable=False),
    Column("messages", Integer(), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Column("due_at", UtcDateTime(), nullable=False),
    Column("failure", String(255), nullable=True),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("progress_at", UtcDateTime(), nullable=True),  # when a piece was stored last
    Column("finished_at", UtcDateTime(), nullable=True),
    UniqueConstraint("workspace_id", "account_id", "wa_message_id"),
    same_workspace("account_id", "accounts"),
    Index(None, "state"),
)

# Labels of a business number, as its phone shows them.
labels = scoped_table(
    "labels",
    Column("account_id", Uuid(), nullable=False),
    Column("wa_label_id", Key(16), nullable=False),
    Column("name", String(100), nullable=False),
    Column("colour", Integer(), nullable=False),  # number of WhatsApp's palette
    UniqueConstraint("workspace_id", "account_id", "wa_label_id"),
    same_workspace("account_id", "accounts"),
)

chat_labels = scoped_table(
    "chat_labels",
    Column("chat_id", Uuid(), nullable=False),
    Column("label_id", Uuid(), nullable=False),
    UniqueConstraint("workspace_id", "chat_id", "label_id"),
    same_workspace("chat_id", "chats"),
    same_workspace("label_id", "labels"),
)

# Up to which version the settings of a collection are stored here.
state_seen = scoped_table(
    "state_seen",
    Column("account_id", Uuid(), nullable=False),
    Column("collection", Key(32), nullable=False),
    Column("version", BigInteger(), nullable=False),
    UniqueConstraint("workspace_id", "account_id", "collection"),
    same_workspace("account_id", "accounts"),
)

# What the number's phone and other devices shall be told or asked. A newer wish takes the place of one in its slot.
phone_requests = scoped_table(
    "phone_requests",
    Column("account_id", Uuid(), nullable=False),
    Column("kind", Key(16), nullable=False),  # state | older
    Column("slot", Key(190), nullable=False),
    Column("body", JsonDoc(), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Column("due_at", UtcDateTime(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "account_id", "slot"),
    same_workspace("account_id", "accounts"),
)
