"""SQL of messages in groups: which chats are groups, and how many members each message has reached."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, bindparam, case, distinct, func, select

from blazz.kit.db import Tx
from blazz.messaging.tables import chats, message_receipts, messages

_GROUPS = select(chats.c.id, chats.c.member_count).where(
    chats.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    chats.c.id.in_(bindparam("ids", expanding=True)),
    chats.c.kind == "group",
)


_SHARED = select(chats.c.id, chats.c.kind).where(
    chats.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    chats.c.id.in_(bindparam("ids", expanding=True)),
    chats.c.kind.in_(("group", "status")),
)


def _reached(*states: str) -> object:
    return func.count(distinct(case((message_receipts.c.state.in_(states), message_receipts.c.recipient))))


_COUNTS = (
    select(
        message_receipts.c.message_id,
        _reached("delivered", "read", "played").label("delivered"),  # type: ignore[attr-defined]
        _reached("read", "played").label("read"),  # type: ignore[attr-defined]
        _reached("played").label("played"),  # type: ignore[attr-defined]
    )
    .where(
        message_receipts.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        message_receipts.c.message_id.in_(bindparam("ids", expanding=True)),
    )
    .group_by(message_receipts.c.message_id)
)
_RECIPIENTS = (
    select(messages.c.id, messages.c.flags, chats.c.member_count)
    .join(chats, (chats.c.workspace_id == messages.c.workspace_id) & (chats.c.id == messages.c.chat_id))
    .where(
        messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        messages.c.id.in_(bindparam("ids", expanding=True)),
    )
)


def groups_among(tx: Tx, workspaces: Collection[uuid.UUID], chat_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return those of these chats that are groups, with their number of members (0 while it is not known)."""
    rows = tx.execute(_GROUPS, {"workspaces": list(workspaces), "ids": list(chat_ids)}).mappings()
    return {row["id"]: row["member_count"] or 0 for row in rows}


def shared_among(tx: Tx, workspaces: Collection[uuid.UUID], chat_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return those of these chats in which several people write, with their kinds: groups, status posts."""
    rows = tx.execute(_SHARED, {"workspaces": list(workspaces), "ids": list(chat_ids)}).mappings()
    return {row["id"]: row["kind"] for row in rows}


def receipt_counts(
    tx: Tx, workspaces: Collection[uuid.UUID], message_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, RowMapping]:
    """Return how many recipients each message was delivered to, read by and played by."""
    rows = tx.execute(_COUNTS, {"workspaces": list(workspaces), "ids": list(message_ids)}).mappings()
    return {row["message_id"]: row for row in rows}


def recipients_of(
    tx: Tx, workspaces: Collection[uuid.UUID], message_ids: Collection[uuid.UUID]
) -> Sequence[RowMapping]:
    """Return the flags of messages, and how many members their groups have now."""
    return tx.execute(_RECIPIENTS, {"workspaces": list(workspaces), "ids": list(message_ids)}).mappings().all()


def receipts_of(tx: Tx, workspace_id: uuid.UUID, message_id: uuid.UUID, limit: int) -> Sequence[RowMapping]:
    """Return the steps of a message with each recipient."""
    return tx.all(
        select(message_receipts.c.recipient, message_receipts.c.state, message_receipts.c.at)
        .where(message_receipts.c.workspace_id == workspace_id, message_receipts.c.message_id == message_id)
        .order_by(message_receipts.c.recipient, message_receipts.c.at)
        .limit(limit)
    )
