"""Tables of chats, messages, receipts and the outbox."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
)

from blazz.kit.db import Blob, JsonDoc, Key, LongText, UtcDateTime, same_workspace, scoped_table

chats = scoped_table(
    "chats",
    Column("account_id", Uuid(), nullable=False),
    Column("kind", Key(16), nullable=False),  # direct | group | status | channel
    Column("contact_id", Uuid(), nullable=True),  # direct chats
    Column("address", Key(64), nullable=False),  # WhatsApp address to send to: ...@lid, ...@s.whatsapp.net, ...@g.us
    Column("last_message_id", Uuid(), nullable=True),  # no foreign key: written before its message
    Column("last_message_at", UtcDateTime(), nullable=True),
    Column("last_preview", String(200), nullable=True),
    Column("last_kind", Key(24), nullable=True),
    Column("last_from_me", Boolean(), nullable=True),
    # Of groups: what the inbox shows, and why nobody of us can write to it (null: we can).
    Column("name", String(128), nullable=True),
    Column("member_count", Integer(), nullable=True),
    Column("picture_id", Uuid(), nullable=True),  # a file; the room of groups refers to it
    Column("closed", Key(16), nullable=True),  # left | removed | pending | announcement | suspended | deleted
    # What the number's phone and its other devices share of the chat; null as false.
    Column("archived", Boolean(), nullable=True),
    Column("pinned_at", UtcDateTime(), nullable=True),
    Column("muted_until", UtcDateTime(), nullable=True),  # the year 9999: for ever
    Column("marked_unread", Boolean(), nullable=True),  # by hand, without unread messages
    Column("more_on_phone", Boolean(), nullable=True),  # the phone has older messages; null: not known
    Column("timer_s", Integer(), nullable=True),  # how long new messages stay, 0 or null: for ever
    Column("unread_count", Integer(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "account_id", "contact_id"),
    UniqueConstraint("workspace_id", "account_id", "address"),
    same_workspace("account_id", "accounts"),
    same_workspace("contact_id", "contacts"),
    Index("ix_chats_inbox", "workspace_id", "last_message_at", "id"),
    Index("ix_chats_pinned", "workspace_id", "pinned_at"),
)

messages = scoped_table(
    "messages",
    Column("account_id", Uuid(), nullable=False),
    Column("chat_id", Uuid(), nullable=False),
    # The order of the chat: by position, that of the event that announced the message, then by rank. A message that
    # came as history has no event: it stands behind the position of the message that was there before it.
    Column("position", BigInteger(), nullable=False),
    Column("history_rank", BigInteger(), nullable=False, server_default="0"),
    # The identity of a message on WhatsApp. The author is the device-less canonical address, empty when from us.
    Column("wa_message_id", Key(128), nullable=False),
    Column("from_me", Boolean(), nullable=False),
    Column("author", Key(64), nullable=False),
    Column("kind", Key(24), nullable=False),
    Column("body", LongText(), nullable=True),  # text or caption, for search and preview
    Column("content", JsonDoc(), nullable=False),  # what the kind needs beyond the body
    Column("media_id", Uuid(), nullable=True),
    Column("quoted_wa_message_id", Key(128), nullable=True),
    Column("state", Key(16), nullable=False),  # received | pending | sent | delivered | read | played | failed
    Column("state_at", UtcDateTime(), nullable=False),
    Column("sent_at", UtcDateTime(), nullable=True),  # when the server had one of ours, if known
    Column("error_code", Key(64), nullable=True),
    Column("error_detail", String(255), nullable=True),
    Column("source", Key(16), nullable=False),  # customer | api | inbox | phone
    Column("sent_by", Uuid(), nullable=True),  # user
    Column("timestamp", UtcDateTime(), nullable=False),  # WhatsApp's, or ours when we made it
    Column("created_at", UtcDateTime(), nullable=False),
    Column("flags", JsonDoc(), nullable=True),  # offline, unprocessable, ...
    Column("raw", Blob(), nullable=True),  # serialised original of an unknown or unprocessable kind
    # A change of another message (reaction, edit, ...): no message of its own in the chat. The id is null while the
    # other message is not here.
    Column("target_wa_id", Key(128), nullable=True),
    Column("target_id", Uuid(), nullable=True),
    # What changes have made of a message.
    Column("extras", JsonDoc(), nullable=True),  # reactions, votes, what was there before
    Column("edited_at", UtcDateTime(), nullable=True),
    Column("deleted_at", UtcDateTime(), nullable=True),  # for everyone
    Column("hidden_at", UtcDateTime(), nullable=True),  # deleted for us only
    Column("pinned_until", UtcDateTime(), nullable=True),
    Column("starred_at", UtcDateTime(), nullable=True),
    UniqueConstraint("account_id", "wa_message_id", "from_me", "author", name="uq_messages_identity"),
    same_workspace("account_id", "accounts"),
    same_workspace("chat_id", "chats"),
    same_workspace("media_id", "media", ondelete="NO ACTION"),
    Index("ix_messages_order", "workspace_id", "chat_id", "position", "history_rank"),
    Index("ix_messages_target", "account_id", "target_wa_id"),
    Index("ix_messages_author", "workspace_id", "author"),
)
# Few messages are pinned; where a database can, the others are left out.
Index(
    "ix_messages_pinned",
    messages.c.workspace_id,
    messages.c.chat_id,
    messages.c.pinned_until,
    sqlite_where=messages.c.pinned_until.is_not(None),
    postgresql_where=messages.c.pinned_until.is_not(None),
)

message_receipts = scoped_table(
    "message_receipts",
    Column("message_id", Uuid(), nullable=False),
    Column("recipient", Key(64), nullable=False),  # device-less address
    Column("state", Key(16), nullable=False),  # delivered | read | played
    Column("at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "message_id", "recipient", "state"),
    same_workspace("message_id", "messages"),
    Index("ix_message_receipts_recipient", "workspace_id", "recipient"),
)

# Messages on their way out. A row leaves when its outcome is known.
outbox = scoped_table(
    "outbox",
    Column("message_id", Uuid(), nullable=False),
    Column("account_id", Uuid(), nullable=False),
    Column("chat_id", Uuid(), nullable=False),
    Column("position", BigInteger(), nullable=False),  # order within the chat
    Column("wa_message_id", Key(128), nullable=False),
    Column("recipient", Key(64), nullable=False),
    Column("payload", Blob(), nullable=True),  # exact bytes; empty until media is uploaded
    Column("kind", Key(24), nullable=False),
    Column("media_id", Uuid(), nullable=True),  # set when a file must be uploaded first
    Column("state", Key(16), nullable=False),  # queued | sending (outcome unknown after a cut)
    Column("attempts", Integer(), nullable=False),
    Column("due_at", UtcDateTime(), nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    UniqueConstraint("workspace_id", "message_id"),
    same_workspace("message_id", "messages"),
    same_workspace("account_id", "accounts"),
    same_workspace("chat_id", "chats"),
    Index("ix_outbox_account", "account_id", "position"),
)
