"""SQL of notices."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, select

from blazz.kit.db import Tx
from blazz.messaging.tables import messages


def find(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, key: str) -> RowMapping | None:
    """Return the notice of an account named `key`, and keep others from changing it until this unit is committed."""
    statement = select(messages).where(
        messages.c.workspace_id == workspace_id,
        messages.c.account_id == account_id,
        messages.c.wa_message_id == f"notice:{key}",
        messages.c.kind == "system",
    )
    return tx.one(statement.with_for_update(key_share=True).limit(1))


def near(
    tx: Tx, workspace_id: uuid.UUID, chat_ids: Collection[uuid.UUID], since: dt.datetime, until: dt.datetime
) -> Sequence[RowMapping]:
    """Return the notices of chats in a time: chat, moment, content, and whether they are history (`history_rank`)."""
    return tx.all(
        select(messages.c.chat_id, messages.c.timestamp, messages.c.content, messages.c.history_rank).where(
            messages.c.workspace_id == workspace_id,
            messages.c.chat_id.in_(list(chat_ids)),
            messages.c.kind == "system",
            messages.c.timestamp.between(since, until),
        )
    )


def newest(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, limit: int) -> Sequence[RowMapping]:
    """Return the newest notices of a chat."""
    statement = (
        select(messages.c.id, messages.c.content)
        .where(messages.c.workspace_id == workspace_id, messages.c.chat_id == chat_id, messages.c.kind == "system")
        .order_by(messages.c.position.desc())
        .limit(limit)
    )
    return tx.all(statement)
