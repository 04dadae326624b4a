"""Finding the chat that an address of WhatsApp belongs to, for what is passed on without being stored."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.messaging import repository
from blazz.messaging.addresses import is_group


def chat_with(tx: Tx, account_id: uuid.UUID, address: str, phone: str | None, lid: str | None) -> uuid.UUID | None:
    """Return the chat with a person or group; None when there is none yet."""
    if not is_group(address):
        contact_id = contacts.find_by_identifiers(tx, phone, lid)
        row = None
        if contact_id is not None:
            row = repository.find_direct(tx, tx.workspace_id, account_id, contact_id)
        if row is not None:
            return uuid.UUID(str(row["id"]))
    rows = repository.find_chats(tx, [tx.workspace_id], account_id, [address])
    return uuid.UUID(str(rows[0]["id"])) if rows else None


@dataclass(frozen=True, slots=True)
class WireName:
    """How WhatsApp names a message: its id, its chat's address, and in a group its author's (empty when from us)."""

    message_id: str
    chat: str
    author: str
    from_me: bool


def wire_name(tx: Tx, workspace_id: uuid.UUID, message_id: uuid.UUID) -> WireName | None:
    """Return the name of a message of ours or theirs; None when it is gone."""
    row = repository.find_message(tx, workspace_id, message_id)
    chat = None if row is None else repository.find_chat(tx, workspace_id, row["chat_id"])
    if row is None or chat is None:
        return None
    return WireName(row["wa_message_id"], chat["address"], row["author"], row["from_me"])


def direct_chat(tx: Tx, account_id: uuid.UUID, contact_id: uuid.UUID) -> repository.ChatState | None:
    """Return the chat of an account with a person; None when there is none yet."""
    row = repository.find_direct(tx, tx.workspace_id, account_id, contact_id)
    return None if row is None else repository.chat_state(row)
