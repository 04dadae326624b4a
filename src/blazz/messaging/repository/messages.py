"""SQL of messages and receipts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, select, update

from blazz.kit.db import Tx, insert_or_ignore
from blazz.messaging.tables import chats, message_receipts, messages

_PRESENT = select(messages.c.account_id, messages.c.wa_message_id, messages.c.from_me, messages.c.author).where(
    messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    messages.c.account_id.in_(bindparam("accounts", expanding=True)),
    messages.c.wa_message_id.in_(bindparam("ids", expanding=True)),
)
_SET_STATE = (
    update(messages)
    .where(messages.c.workspace_id == bindparam("w"), messages.c.id == bindparam("i"))
    .values(
        state=bindparam("new_state"),
        state_at=bindparam("at"),
        error_code=bindparam("code"),
        error_detail=bindparam("detail"),
    )
)


def present_identities(
    tx: Tx, workspaces: Collection[uuid.UUID], accounts: Collection[uuid.UUID], ids: Collection[str]
) -> set[tuple[uuid.UUID, str, bool, str]]:
    """Return the identities (account, id, from_me, author) that are stored already among these ids."""
    parameters = {"workspaces": list(workspaces), "accounts": list(accounts), "ids": list(ids)}
    return {tuple(row) for row in tx.execute(_PRESENT, parameters)}


def rekey_author(
    tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID, old: str, new: str
) -> list[tuple[uuid.UUID, int]]:
    """Give the messages of a contact their LID as author; a message stored under both keeps one row.

    Returns the chats that lost doubles, with their number.
    """
    own_chats = select(chats.c.id).where(chats.c.workspace_id == workspace_id, chats.c.contact_id == contact_id)
    rows = tx.all(
        select(messages.c.id, messages.c.chat_id, messages.c.account_id, messages.c.wa_message_id).where(
            messages.c.workspace_id == workspace_id, messages.c.chat_id.in_(own_chats), messages.c.author == old
        )
    )
    if not rows:
        return []
    twins = present_identities(
        tx, [workspace_id], {row["account_id"] for row in rows}, {row["wa_message_id"] for row in rows}
    )
    doubles = {
        row["id"]: row["chat_id"] for row in rows if (row["account_id"], row["wa_message_id"], False, new) in twins
    }
    if doubles:
        tx.execute(delete(messages).where(messages.c.workspace_id == workspace_id, messages.c.id.in_(list(doubles))))
    tx.execute(
        update(messages)
        .where(messages.c.workspace_id == workspace_id, messages.c.chat_id.in_(own_chats), messages.c.author == old)
        .values(author=new)
    )
    return list(Counter(doubles.values()).items())


def find_message(
    tx: Tx, workspace_id: uuid.UUID, message_id: uuid.UUID, *, for_update: bool = False
) -> RowMapping | None:
    """Return a message; `for_update` keeps others from changing it until this unit is committed."""
    statement = select(messages).where(messages.c.workspace_id == workspace_id, messages.c.id == message_id)
    return tx.one(statement.with_for_update(key_share=True) if for_update else statement)


def find_messages(
    tx: Tx, workspaces: Collection[uuid.UUID], message_ids: Collection[uuid.UUID]
) -> Sequence[RowMapping]:
    """Return messages by id, and keep others from changing them until this unit is committed."""
    return tx.all(
        select(messages)
        .where(messages.c.workspace_id.in_(list(workspaces)), messages.c.id.in_(list(message_ids)))
        .order_by(messages.c.id)
        .with_for_update(key_share=True)
    )


_BY_WA_ID = (
    select(
        messages.c.id,
        messages.c.workspace_id,
        messages.c.account_id,
        messages.c.chat_id,
        messages.c.wa_message_id,
        messages.c.from_me,
        messages.c.state,
        messages.c.position,
    )
    .where(
        messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        messages.c.account_id.in_(bindparam("accounts", expanding=True)),
        messages.c.wa_message_id.in_(bindparam("ids", expanding=True)),
    )
    .order_by(messages.c.id)
    .with_for_update(key_share=True)
)


def find_messages_by_wa_id(
    tx: Tx, workspaces: Collection[uuid.UUID], accounts: Collection[uuid.UUID], ids: Collection[str]
) -> Sequence[RowMapping]:
    """Return what receipts need of messages, by WhatsApp id, and keep others from changing them meanwhile."""
    parameters = {"workspaces": list(workspaces), "accounts": list(accounts), "ids": list(ids)}
    return tx.execute(_BY_WA_ID, parameters).mappings().all()


def quoted_messages(
    tx: Tx, workspace_id: uuid.UUID, account_ids: Collection[uuid.UUID], ids: Collection[str]
) -> dict[tuple[uuid.UUID, str], uuid.UUID]:
    """Return our ids of quoted messages by (chat, WhatsApp id)."""
    rows = tx.all(
        select(messages.c.id, messages.c.chat_id, messages.c.wa_message_id).where(
            messages.c.workspace_id == workspace_id,
            messages.c.account_id.in_(list(account_ids)),
            messages.c.wa_message_id.in_(list(ids)),
        )
    )
    return {(row["chat_id"], row["wa_message_id"]): row["id"] for row in rows}


def message_page(
    tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return messages of a chat, newest first."""
    statement = select(messages).where(messages.c.workspace_id == workspace_id, messages.c.chat_id == chat_id)
    if before is not None:
        statement = statement.where(messages.c.position < before)
    return tx.all(statement.order_by(messages.c.position.desc()).limit(limit))


def unread_inbound(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, count: int) -> Sequence[RowMapping]:
    """Return the newest `count` inbound messages of a chat (id and author), newest first."""
    return tx.all(
        select(messages.c.wa_message_id, messages.c.author)
        .where(messages.c.workspace_id == workspace_id, messages.c.chat_id == chat_id, messages.c.from_me.is_(False))
        .order_by(messages.c.position.desc())
        .limit(count)
    )


def set_states(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write states: rows of `w`, `i`, `new_state`, `at`, `code`, `detail`."""
    if rows:
        tx.execute(_SET_STATE, sorted((dict(row) for row in rows), key=lambda row: row["i"]))


def state_row(
    row: RowMapping, state: str, at: dt.datetime, code: str | None = None, detail: str | None = None
) -> dict[str, Any]:
    """Return the parameters that give message `row` a state."""
    return {
        "w": row["workspace_id"],
        "i": row["id"],
        "new_state": state,
        "at": at,
        "code": code,
        "detail": detail,
    }


def add_receipts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert steps of receipts; the first of each kind counts."""
    if rows:
        key = ["workspace_id", "message_id", "recipient", "state"]
        tx.execute(insert_or_ignore(tx.dialect, message_receipts, key), [dict(row) for row in rows])


def count_inbound_after(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, position: int) -> int:
    """Count inbound messages of a chat behind `position`."""
    return int(
        tx.scalar(
            select(func.count())
            .select_from(messages)
            .where(
                messages.c.workspace_id == workspace_id,
                messages.c.chat_id == chat_id,
                messages.c.position > position,
                messages.c.from_me.is_(False),
            )
        )
    )


def find_in_chat(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, wa_message_id: str) -> RowMapping | None:
    """Return a message of a chat by its WhatsApp id."""
    return tx.one(
        select(messages).where(
            messages.c.workspace_id == workspace_id,
            messages.c.chat_id == chat_id,
            messages.c.wa_message_id == wa_message_id,
        )
    )


_STATES = select(messages.c.id, messages.c.state).where(
    messages.c.workspace_id == bindparam("workspace"), messages.c.id.in_(bindparam("ids", expanding=True))
)


def states_of(tx: Tx, workspace_id: uuid.UUID, message_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the state of each message."""
    rows = tx.execute(_STATES, {"workspace": workspace_id, "ids": list(message_ids)})
    return {row["id"]: row["state"] for row in rows.mappings()}


_PLACEHOLDERS = select(
    messages.c.id,
    messages.c.workspace_id,
    messages.c.account_id,
    messages.c.chat_id,
    messages.c.wa_message_id,
    messages.c.from_me,
    messages.c.author,
    messages.c.content,
).where(
    messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    messages.c.account_id.in_(bindparam("accounts", expanding=True)),
    messages.c.wa_message_id.in_(bindparam("ids", expanding=True)),
    messages.c.kind == "unsupported",
)


def placeholders(
    tx: Tx, workspaces: Collection[uuid.UUID], accounts: Collection[uuid.UUID], ids: Collection[str]
) -> Sequence[RowMapping]:
    """Return messages of kind `unsupported` among these ids; some stand for what could not be decrypted."""
    parameters = {"workspaces": list(workspaces), "accounts": list(accounts), "ids": list(ids)}
    return tx.execute(_PLACEHOLDERS, parameters).mappings().all()


def fill_placeholder(tx: Tx, row: RowMapping, content: Mapping[str, Any], preview: str) -> None:
    """Put a message's content in, also where its chat shows it as the newest."""
    tx.execute(
        update(messages)
        .where(messages.c.workspace_id == row["workspace_id"], messages.c.id == row["id"])
        .values(**content, raw=None)
    )
    tx.execute(
        update(chats)
        .where(
            chats.c.workspace_id == row["workspace_id"],
            chats.c.id == row["chat_id"],
            chats.c.last_message_id == row["id"],
        )
        .values(last_kind=content["kind"], last_preview=preview)
    )
