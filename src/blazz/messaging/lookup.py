"""Finding the chat that an address of WhatsApp belongs to, for what is passed on without being stored."""

from __future__ import annotations

import uuid

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
