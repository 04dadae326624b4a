"""SQL of notices."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

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


def newest(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, limit: int) -> Sequence[RowMapping]:
    """Return the newest notices of a chat."""
    statement = (
        select(messages.c.id, messages.c.content)
        .where(messages.c.workspace_id == workspace_id, messages.c.chat_id == chat_id, messages.c.kind == "system")
        .order_by(messages.c.position.desc())
        .limit(limit)
    )
    return tx.all(statement)
