"""SQL of history: blobs that the phone has announced, and where their messages belong."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, insert, or_, select, update

from blazz.kit.db import Tx, UtcDateTime, insert_new
from blazz.messaging.state_tables import history_imports
from blazz.messaging.tables import chats, messages

_KEY = ("workspace_id", "account_id", "wa_message_id")


def add_import(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Insert an announced blob; False when it is here already."""
    return insert_new(tx, history_imports, _KEY, row)


def due_imports(tx: Tx, now: dt.datetime) -> Sequence[RowMapping]:
    """Return the first unfinished import of each account, of all workspaces, that is due, without those behind it."""
    first = (
        select(history_imports.c.account_id, func.min(history_imports.c.id).label("id"))
        .where(history_imports.c.state.in_(("waiting", "stored")))
        .group_by(history_imports.c.account_id)
        .subquery()
    )
    return tx.all(
        select(history_imports)
        .join(first, history_imports.c.id == first.c.id)
        .where(history_imports.c.due_at <= now)
        .order_by(history_imports.c.id)
    )


def change_import(tx: Tx, workspace_id: uuid.UUID, import_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Update one import."""
    own = (history_imports.c.workspace_id == workspace_id, history_imports.c.id == import_id)
    tx.execute(update(history_imports).where(*own).values(**values))


def find_import(tx: Tx, workspace_id: uuid.UUID, import_id: uuid.UUID) -> RowMapping | None:
    """Return an import, and keep others from changing it until this unit is committed."""
    own = (history_imports.c.workspace_id == workspace_id, history_imports.c.id == import_id)
    return tx.one(select(history_imports).where(*own).with_for_update())


def unfinished_imports(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> Sequence[RowMapping]:
    """Return an account's imports that are under way, oldest first, and keep others from changing them meanwhile."""
    own = (history_imports.c.workspace_id == workspace_id, history_imports.c.account_id == account_id)
    unfinished = history_imports.c.state.in_(("waiting", "stored"))
    return tx.all(select(history_imports).where(*own, unfinished).order_by(history_imports.c.id).with_for_update())


def accounts_importing(tx: Tx, until: dt.datetime) -> Sequence[RowMapping]:
    """Return the accounts (with their workspaces) that have an unfinished import older than a moment."""
    return tx.all(
        select(history_imports.c.workspace_id, history_imports.c.account_id)
        .where(history_imports.c.state.in_(("waiting", "stored")), history_imports.c.created_at < until)
        .distinct()
    )


def imports_of(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, since: dt.datetime) -> Sequence[RowMapping]:
    """Return an account's imports from a moment on, oldest first, without what fetches them."""
    columns = [column for column in history_imports.c if column.name != "notification"]
    return tx.all(
        select(*columns)
        .where(
            history_imports.c.workspace_id == workspace_id,
            history_imports.c.account_id == account_id,
            history_imports.c.created_at >= since,
        )
        .order_by(history_imports.c.id)
    )


def live_places(
    tx: Tx, workspace_id: uuid.UUID, chat_ids: Collection[uuid.UUID], since: dt.datetime
) -> list[tuple[uuid.UUID, dt.datetime, int]]:
    """Return (chat, moment, position) of messages with an event of their own: from `since` on, and each chat's last
    before.
    """
    live = (
        messages.c.workspace_id == workspace_id,
        messages.c.chat_id.in_(list(chat_ids)),
        messages.c.position > 0,
        messages.c.history_rank == 0,
        messages.c.target_wa_id.is_(None),
    )
    before = tx.all(
        select(messages.c.chat_id, func.max(messages.c.position).label("position"))
        .where(*live, messages.c.timestamp < since)
        .group_by(messages.c.chat_id)
    )
    after = tx.all(
        select(messages.c.chat_id, messages.c.timestamp, messages.c.position).where(
            *live, messages.c.timestamp >= since
        )
    )
    epoch = dt.datetime.fromtimestamp(0, dt.UTC)
    return [
        *((row["chat_id"], epoch, row["position"]) for row in before),
        *((row["chat_id"], row["timestamp"], row["position"]) for row in after),
    ]


def oldest_message(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID) -> RowMapping | None:
    """Return the first message of a chat."""
    return tx.one(
        select(messages.c.id, messages.c.wa_message_id, messages.c.from_me, messages.c.timestamp)
        .where(
            messages.c.workspace_id == workspace_id, messages.c.chat_id == chat_id, messages.c.target_wa_id.is_(None)
        )
        .order_by(messages.c.position, messages.c.history_rank)
        .limit(1)
    )


def insert_messages(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert whole rows at the positions that they carry."""
    if rows:
        tx.execute(insert(messages), [dict(row) for row in rows])


def chats_by_id(tx: Tx, workspace_id: uuid.UUID, chat_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, RowMapping]:
    """Return chats by id, and keep others from changing them until this unit is committed."""
    statement = select(chats).where(chats.c.workspace_id == workspace_id, chats.c.id.in_(list(chat_ids)))
    return {row["id"]: row for row in tx.all(statement.order_by(chats.c.id).with_for_update(key_share=True))}


_AT = bindparam("at", type_=UtcDateTime())
_NEWER = or_(chats.c.last_message_at.is_(None), chats.c.last_message_at < _AT)
_SHOW = (
    update(chats)
    .where(chats.c.workspace_id == bindparam("w"), chats.c.id == bindparam("i"), _NEWER)
    .values(
        last_message_id=bindparam("message"),
        last_message_at=_AT,
        last_kind=bindparam("new_kind"),
        last_preview=bindparam("preview"),
        last_from_me=bindparam("mine"),
    )
)


def show_newest(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Let messages be their chats' newest where nothing newer is there: `w`, `i`, `message`, `at`, `new_kind`,
    `preview`, `mine`.
    """
    if rows:
        tx.execute(_SHOW, sorted((dict(row) for row in rows), key=lambda row: row["i"]))


_SETTINGS = (
    update(chats)
    .where(chats.c.workspace_id == bindparam("w"), chats.c.id == bindparam("i"))
    .values(
        archived=bindparam("archive"),
        marked_unread=bindparam("unread_mark"),
        muted_until=bindparam("mute"),
        pinned_at=bindparam("pin"),
        more_on_phone=bindparam("more"),
        unread_count=bindparam("unread"),
    )
)


def set_chat_settings(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what the phone has set for chats: `w`, `i`, `archive`, `unread_mark`, `mute`, `pin`, `more`, `unread`."""
    if rows:
        tx.execute(_SETTINGS, sorted((dict(row) for row in rows), key=lambda row: row["i"]))
