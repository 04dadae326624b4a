"""SQL of messages and receipts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, bindparam, delete, func, or_, select, update

from blazz.kit.db import Tx, insert_or_ignore
from blazz.messaging.repository.changes import release_changes
from blazz.messaging.tables import chats, message_receipts, messages

_PRESENT = select(messages.c.account_id, messages.c.wa_message_id, messages.c.from_me, messages.c.author).where(
    messages.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    messages.c.account_id.in_(bindparam("accounts", expanding=True)),
    messages.c.wa_message_id.in_(bindparam("ids", expanding=True)),
)
# A change of another message is not one of its own; what we deleted for ourselves is not shown.
_IN_THREAD = (messages.c.target_wa_id.is_(None), messages.c.hidden_at.is_(None))
# Neither a change nor a notice is ever unread.
QUIET = ("system", "timer")
_COUNTS = (
    messages.c.from_me.is_(False),
    messages.c.target_wa_id.is_(None),
    messages.c.kind.not_in(QUIET),
)
_SET_STATE = (
    update(messages)
    .where(messages.c.workspace_id == bindparam("w"), messages.c.id == bindparam("i"))
    .values(
        state=bindparam("new_state"),
        state_at=bindparam("at"),
        sent_at=func.coalesce(messages.c.sent_at, bindparam("sent", type_=messages.c.sent_at.type)),
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


def rekey_author(tx: Tx, workspace_id: uuid.UUID, old: str, new: str) -> list[tuple[uuid.UUID, int]]:
    """Give the messages of a person, in whatever chat, their LID as author; one stored under both keeps one row.

    That is the one under the LID, unless only the other one could be decrypted. Returns the chats that lost doubles,
    with their number.
    """
    rows = _by_author(tx, messages.c.workspace_id == workspace_id, author=old)
    if not rows:
        return []
    twins = {
        (row["account_id"], row["wa_message_id"]): row
        for row in _by_author(
            tx,
            messages.c.workspace_id == workspace_id,
            messages.c.account_id.in_({row["account_id"] for row in rows}),
            messages.c.wa_message_id.in_({row["wa_message_id"] for row in rows}),
            author=new,
        )
    }
    doubles: dict[uuid.UUID, uuid.UUID | None] = {}
    for row in rows:
        twin = twins.get((row["account_id"], row["wa_message_id"]))
        if twin is not None:
            worse = twin if _unread(twin) and not _unread(row) else row
            doubles[worse["id"]] = row["chat_id"] if row["target_wa_id"] is None else None
    if doubles:
        release_changes(tx, workspace_id, doubles)
        tx.execute(delete(messages).where(messages.c.workspace_id == workspace_id, messages.c.id.in_(list(doubles))))
    tx.execute(
        update(messages).where(messages.c.workspace_id == workspace_id, messages.c.author == old).values(author=new)
    )
    return list(Counter(chat_id for chat_id in doubles.values() if chat_id is not None).items())


def _by_author(tx: Tx, *conditions: Any, author: str) -> Sequence[RowMapping]:
    columns = (messages.c.id, messages.c.chat_id, messages.c.account_id, messages.c.wa_message_id)
    return tx.all(
        select(*columns, messages.c.kind, messages.c.content, messages.c.target_wa_id).where(
            *conditions, messages.c.author == author, messages.c.from_me.is_(False)
        )
    )


def _unread(row: RowMapping) -> bool:
    """Tell whether a message stands for one that could not be decrypted."""
    return bool(row["kind"] == "unsupported" and row["content"].get("kind") == "undecryptable")


def find_message(
    tx: Tx, workspace_id: uuid.UUID, message_id: uuid.UUID, *, for_update: bool = False
) -> RowMapping | None:
    """Return a message; `for_update` keeps others from changing it until this unit is committed."""
    statement = select(messages).where(messages.c.workspace_id == workspace_id, messages.c.id == message_id)
    return tx.one(statement.with_for_update(key_share=True) if for_update else statement)


def newest_message(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, quiet: Collection[str]) -> RowMapping | None:
    """Return the newest message that a chat shows, leaving out the kinds `quiet`."""
    return tx.one(
        select(messages)
        .where(
            messages.c.workspace_id == workspace_id,
            messages.c.chat_id == chat_id,
            messages.c.kind.not_in(list(quiet)),
            *_IN_THREAD,
        )
        .order_by(*NEWEST_FIRST)
        .limit(1)
    )


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


NEWEST_FIRST = (messages.c.position.desc(), messages.c.history_rank.desc())


def in_front_of(position: int, rank: int) -> ColumnElement[bool]:
    """Return the condition that a message stands in front of this place of its chat."""
    return or_(messages.c.position < position, and_(messages.c.position == position, messages.c.history_rank < rank))


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
        messages.c.history_rank,
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
    tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, before: tuple[int, int] | None, limit: int
) -> Sequence[RowMapping]:
    """Return messages of a chat in front of a position and rank, newest first."""
    statement = select(messages).where(
        messages.c.workspace_id == workspace_id, messages.c.chat_id == chat_id, *_IN_THREAD
    )
    if before is not None:
        # the first condition says nothing new, but it is one that an index can seek
        statement = statement.where(messages.c.position <= before[0], in_front_of(*before))
    return tx.all(statement.order_by(*NEWEST_FIRST).limit(limit))


def unread_inbound(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, count: int) -> Sequence[RowMapping]:
    """Return the newest `count` inbound messages of a chat (id and author), newest first."""
    return tx.all(
        select(messages.c.wa_message_id, messages.c.author)
        .where(
            messages.c.workspace_id == workspace_id,
            messages.c.chat_id == chat_id,
            *_COUNTS,
        )
        .order_by(*NEWEST_FIRST)
        .limit(count)
    )


def set_states(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write states, as `state_row` gives them."""
    if rows:
        tx.execute(_SET_STATE, sorted((dict(row) for row in rows), key=lambda row: row["i"]))


def state_row(
    row: RowMapping,
    state: str,
    at: dt.datetime,
    code: str | None = None,
    detail: str | None = None,
    *,
    sent: dt.datetime | None = None,
) -> dict[str, Any]:
    """Return the parameters that give message `row` a state. `sent`: when the server had it; the first one counts."""
    return {
        "w": row["workspace_id"],
        "i": row["id"],
        "new_state": state,
        "at": at,
        "sent": sent,
        "code": code,
        "detail": detail,
    }


def add_receipts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert steps of receipts; the first of each kind counts."""
    if rows:
        key = ["workspace_id", "message_id", "recipient", "state"]
        tx.execute(insert_or_ignore(tx.dialect, message_receipts, key), [dict(row) for row in rows])


def count_inbound_after(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, position: int, rank: int = 0) -> int:
    """Count inbound messages of a chat behind a position and rank."""
    return int(
        tx.scalar(
            select(func.count())
            .select_from(messages)
            .where(
                messages.c.workspace_id == workspace_id,
                messages.c.chat_id == chat_id,
                messages.c.position >= position,
                or_(messages.c.position > position, messages.c.history_rank > rank),
                *_COUNTS,
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


_TEXTS = select(messages.c.id, messages.c.account_id, messages.c.body, messages.c.content).where(
    messages.c.workspace_id == bindparam("workspace"), messages.c.id.in_(bindparam("ids", expanding=True))
)


def texts_of(tx: Tx, workspace_id: uuid.UUID, message_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return id, account, body and content of each message."""
    return tx.execute(_TEXTS, {"workspace": workspace_id, "ids": list(message_ids)}).mappings().all()


_PLACEHOLDERS = select(
    messages.c.id,
    messages.c.workspace_id,
    messages.c.account_id,
    messages.c.chat_id,
    messages.c.wa_message_id,
    messages.c.from_me,
    messages.c.author,
    messages.c.content,
    messages.c.position,
    messages.c.history_rank,
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
