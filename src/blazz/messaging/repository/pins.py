"""SQL of pinned messages."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from sqlalchemy import RowMapping, select

from blazz.kit.db import Tx
from blazz.messaging.tables import messages


def pinned(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, now: dt.datetime, limit: int) -> Sequence[RowMapping]:
    """Return the messages of a chat pinned at `now`, newest first; of more than `limit` those that stay longest."""
    rows = tx.all(
        select(messages)
        .where(
            messages.c.workspace_id == workspace_id,
            messages.c.chat_id == chat_id,
            messages.c.pinned_until > now,
            messages.c.hidden_at.is_(None),
        )
        .order_by(messages.c.pinned_until.desc())  # the index's own order, so that it is used
        .limit(limit)
    )
    return sorted(rows, key=lambda row: (row["position"], row["history_rank"]), reverse=True)
