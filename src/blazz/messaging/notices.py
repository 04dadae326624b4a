"""Notices in a chat: what happened there that nobody wrote."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from blazz import events
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import repository
from blazz.messaging.rows import message_row
from blazz.messaging.tables import messages


def add(
    tx: Tx,
    chat: repository.ChatState,
    event: str,
    data: Mapping[str, Any],
    *,
    key: str,
    author: str = "",
    at: dt.datetime | None = None,
) -> uuid.UUID | None:
    """Add a notice `event` to a chat and return its id; None when the one named `key` is there already.

    `key` (at most 120 characters) tells one happening from another when it is delivered again. `author` is the address
    of who caused it, empty for us or nobody. The unit must see all rows of the workspace.
    """
    name = f"notice:{key}"
    now = utc_now()
    identity = (chat.account_id, name, False, author)
    if identity in repository.present_identities(tx, [chat.workspace_id], [chat.account_id], [name]):
        return None
    row = message_row(
        id=uuid7(),
        workspace_id=chat.workspace_id,
        account_id=chat.account_id,
        chat_id=chat.id,
        wa_message_id=name,
        from_me=False,
        author=author,
        kind="system",
        content={"event": event, "data": dict(data)},
        state="received",
        state_at=now,
        source="system",
        timestamp=at or now,
        created_at=now,
    )
    told = events.append(
        tx,
        "message.received",
        {"message_id": str(row["id"]), "chat_id": str(chat.id)},
        workspace_id=chat.workspace_id,
        account_id=chat.account_id,
    )
    events.insert_at_position(tx, messages, row, told)
    return uuid.UUID(str(row["id"]))
