"""The pinned messages of a chat, which stand at its top wherever in the past they are."""

from __future__ import annotations

import uuid

from blazz.kit.db import Tx
from blazz.kit.errors import not_found
from blazz.kit.time import utc_now
from blazz.messaging import repository
from blazz.messaging.repository import pins as rows
from blazz.messaging.schemas import MessageView
from blazz.messaging.views import message_views

PINS_MAX = 20  # WhatsApp shows three; what other phones have pinned beyond that is still read


def pinned_messages(tx: Tx, chat_id: uuid.UUID) -> list[MessageView]:
    """Return the messages of a chat that are pinned now, newest first, at most 20. Raises BlazzError `not_found`."""
    if repository.find_chat(tx, tx.workspace_id, chat_id) is None:
        raise not_found("chat")
    return message_views(tx, rows.pinned(tx, tx.workspace_id, chat_id, utc_now(), PINS_MAX))
