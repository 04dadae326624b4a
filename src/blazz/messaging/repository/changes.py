"""SQL of messages that change others: finding what they are about, and writing what they do."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, insert, select, update

from blazz.kit.db import Tx
from blazz.messaging.tables import chats, messages

Row = Mapping[str, Any] | RowMapping
_TARGETS = (
    select(messages)
    .where(
        messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        messages.c.account_id.in_(bindparam("accounts", expanding=True)),
        messages.c.wa_message_id.in_(bindparam("ids", expanding=True)),
        messages.c.target_wa_id.is_(None),
    )
    .order_by(messages.c.id)
    .with_for_update(key_share=True)
)
_WAITING = (
    select(messages)
    .where(
        messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        messages.c.account_id.in_(bindparam("accounts", expanding=True)),
        messages.c.target_wa_id.in_(bindparam("ids", expanding=True)),
        messages.c.target_id.is_(None),
    )
    .order_by(messages.c.timestamp, messages.c.id)
)


def find_targets(
    tx: Tx, workspaces: Collection[uuid.UUID], accounts: Collection[uuid.UUID], ids: Collection[str]
) -> Sequence[RowMapping]:
    """Return messages by WhatsApp id, and keep others from changing them until this unit is committed."""
    parameters = {"workspaces": list(workspaces), "accounts": list(accounts), "ids": list(ids)}
    return tx.execute(_TARGETS, parameters).mappings().all()


def waiting_changes(
    tx: Tx, workspaces: Collection[uuid.UUID], accounts: Collection[uuid.UUID], ids: Collection[str]
) -> Sequence[RowMapping]:
    """Return changes that came before the messages with these WhatsApp ids, the oldest first."""
    parameters = {"workspaces": list(workspaces), "accounts": list(accounts), "ids": list(ids)}
    return tx.execute(_WAITING, parameters).mappings().all()


def waiting_in_chats(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> set[tuple[uuid.UUID, uuid.UUID, str]]:
    """Return what changes in the chats with a contact wait for: workspace, account and WhatsApp id."""
    own_chats = select(chats.c.id).where(chats.c.workspace_id == workspace_id, chats.c.contact_id == contact_id)
    statement = select(messages.c.workspace_id, messages.c.account_id, messages.c.target_wa_id).where(
        messages.c.workspace_id == workspace_id,
        messages.c.chat_id.in_(own_chats),
        messages.c.target_wa_id.is_not(None),
        messages.c.target_id.is_(None),
    )
    return {(row["workspace_id"], row["account_id"], row["target_wa_id"]) for row in tx.all(statement)}


def missed(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, limit: int) -> set[str]:
    """Return the WhatsApp ids of messages that are here, and that changes of an account still wait for."""
    target = messages.alias()
    here = (
        select(target.c.id)
        .where(
            target.c.workspace_id == workspace_id,
            target.c.account_id == account_id,
            target.c.wa_message_id == messages.c.target_wa_id,
            target.c.chat_id == messages.c.chat_id,
            target.c.target_wa_id.is_(None),
        )
        .exists()
    )
    waiting = (
        messages.c.workspace_id == workspace_id,
        messages.c.account_id == account_id,
        messages.c.target_wa_id.is_not(None),
        messages.c.target_id.is_(None),
    )
    return set(tx.execute(select(messages.c.target_wa_id).where(*waiting, here).distinct().limit(limit)).scalars())


def changes_of(tx: Tx, workspace_id: uuid.UUID, target: Row) -> Sequence[RowMapping]:
    """Return every change of a message, the oldest first."""
    return tx.all(
        select(messages)
        .where(
            messages.c.workspace_id == workspace_id,
            messages.c.account_id == target["account_id"],
            messages.c.target_wa_id == target["wa_message_id"],
            messages.c.target_id == target["id"],
        )
        .order_by(messages.c.timestamp, messages.c.id)
    )


def change_message(tx: Tx, workspace_id: uuid.UUID, message_id: uuid.UUID, columns: Mapping[str, Any]) -> None:
    """Write columns of a message."""
    tx.execute(
        update(messages).where(messages.c.workspace_id == workspace_id, messages.c.id == message_id).values(**columns)
    )


def change_edits(tx: Tx, target: Row, columns: Mapping[str, Any]) -> None:
    """Write columns of all edits of a message."""
    tx.execute(
        update(messages)
        .where(
            messages.c.workspace_id == target["workspace_id"],
            messages.c.account_id == target["account_id"],
            messages.c.target_wa_id == target["wa_message_id"],
            messages.c.target_id == target["id"],
            messages.c.kind == "edit",
        )
        .values(**columns)
    )


def change_page(
    tx: Tx, workspace_id: uuid.UUID, target: Row, before: uuid.UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return changes of a message, those that were stored last first."""
    statement = select(messages).where(
        messages.c.workspace_id == workspace_id,
        messages.c.account_id == target["account_id"],
        messages.c.target_wa_id == target["wa_message_id"],
        messages.c.target_id == target["id"],
    )
    if before is not None:
        statement = statement.where(messages.c.id < before)
    return tx.all(statement.order_by(messages.c.id.desc()).limit(limit))


def targets_of_author(tx: Tx, workspace_id: uuid.UUID, author: str) -> Sequence[RowMapping]:
    """Return the messages that `author` has changed, and hold them."""
    changed = select(messages.c.target_id).where(
        messages.c.workspace_id == workspace_id,
        messages.c.author == author,
        messages.c.target_id.is_not(None),
    )
    return tx.all(
        select(messages.c.id, messages.c.extras)
        .where(messages.c.workspace_id == workspace_id, messages.c.id.in_(changed))
        .order_by(messages.c.id)
        .with_for_update(key_share=True)
    )


def release_changes(tx: Tx, workspace_id: uuid.UUID, target_ids: Collection[uuid.UUID]) -> None:
    """Let the changes of messages that go away wait for their targets again."""
    tx.execute(
        update(messages)
        .where(messages.c.workspace_id == workspace_id, messages.c.target_id.in_(list(target_ids)))
        .values(target_id=None)
    )


def insert_messages(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have no event, and so no position."""
    if rows:
        tx.execute(insert(messages), [dict(row) for row in rows])


def show_as_newest(
    tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, message_id: uuid.UUID, kind: str, preview: str
) -> None:
    """Change how the list of chats shows a message, if it is its chat's newest."""
    tx.execute(
        update(chats)
        .where(chats.c.workspace_id == workspace_id, chats.c.id == chat_id, chats.c.last_message_id == message_id)
        .values(last_kind=kind, last_preview=preview)
    )
