"""SQL of messages that wait for a restriction to end."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, exists, or_, select, update

from blazz.kit.db import Tx
from blazz.messaging.tables import chats, messages, outbox


def established(tx: Tx, workspaces: Collection[uuid.UUID], chat_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of `chat_ids` that are groups, or in which the other side has written."""
    written = exists().where(
        messages.c.workspace_id == chats.c.workspace_id,
        messages.c.chat_id == chats.c.id,
        messages.c.from_me.is_(False),
        messages.c.kind != "system",
    )
    statement = select(chats.c.id).where(
        chats.c.workspace_id.in_(workspaces), chats.c.id.in_(chat_ids), or_(chats.c.kind != "direct", written)
    )
    return set(tx.execute(statement).scalars())


def hold(tx: Tx, workspaces: Collection[uuid.UUID], chat_ids: Collection[uuid.UUID], until: dt.datetime) -> None:
    """Let the waiting messages of chats be due at `until`, unless they are due later."""
    tx.execute(
        update(outbox)
        .where(outbox.c.workspace_id.in_(workspaces), outbox.c.chat_id.in_(chat_ids), outbox.c.due_at < until)
        .values(due_at=until)
    )


def extend(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, until: dt.datetime) -> None:
    """Let no waiting message of an account expire before `until`."""
    tx.execute(
        update(outbox)
        .where(
            outbox.c.workspace_id == workspace_id,
            outbox.c.account_id == account_id,
            outbox.c.expires_at < until,
        )
        .values(expires_at=until)
    )


def release(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, now: dt.datetime) -> None:
    """Let all waiting messages of an account be due."""
    tx.execute(
        update(outbox)
        .where(outbox.c.workspace_id == workspace_id, outbox.c.account_id == account_id, outbox.c.due_at > now)
        .values(due_at=now)
    )


def queued(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, limit: int) -> Sequence[RowMapping]:
    """Return the oldest queued messages of an account, and keep others from changing them."""
    statement = (
        select(outbox)
        .where(outbox.c.workspace_id == workspace_id, outbox.c.account_id == account_id, outbox.c.state == "queued")
        .order_by(outbox.c.position)
        .limit(limit)
    )
    return tx.all(statement.with_for_update(key_share=True))
