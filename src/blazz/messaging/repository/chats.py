"""SQL of chats."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, bindparam, case, delete, false, func, insert, or_, select, update

from blazz.kit.db import Key, Tx, UtcDateTime
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging.tables import chats, messages, outbox


@dataclass(frozen=True, slots=True)
class NewChat:
    """A chat that must exist."""

    workspace_id: uuid.UUID
    account_id: uuid.UUID
    address: str
    kind: str
    contact_id: uuid.UUID | None


@dataclass(slots=True)
class ChatState:
    """A chat as far as a batch needs to know it."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    account_id: uuid.UUID
    contact_id: uuid.UUID | None
    address: str
    timer_s: int | None = None


_STATE = (
    chats.c.id,
    chats.c.workspace_id,
    chats.c.account_id,
    chats.c.contact_id,
    chats.c.address,
    chats.c.timer_s,
)
_NEWEST = (
    chats.c.last_message_id,
    chats.c.last_message_at,
    chats.c.last_kind,
    chats.c.last_preview,
    chats.c.last_from_me,
)
_BY_CONTACT = select(*_STATE).where(
    chats.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    chats.c.account_id.in_(bindparam("accounts", expanding=True)),
    chats.c.contact_id.in_(bindparam("contacts", expanding=True)),
)
_BY_ADDRESS = select(*_STATE).where(
    chats.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    chats.c.account_id.in_(bindparam("accounts", expanding=True)),
    chats.c.address.in_(bindparam("addresses", expanding=True)),
)
_AT = bindparam("at", type_=UtcDateTime())
_SAVE = (
    update(chats)
    .where(chats.c.workspace_id == bindparam("w"), chats.c.id == bindparam("i"))
    .values(
        last_message_id=bindparam("message"),
        # the latest one to arrive is the newest, whatever the clocks say; but the moment never goes back
        last_message_at=case((chats.c.last_message_at > _AT, chats.c.last_message_at), else_=_AT),
        last_kind=bindparam("new_kind"),
        last_preview=bindparam("preview"),
        last_from_me=bindparam("mine"),
        unread_count=chats.c.unread_count + bindparam("unread"),
        address=func.coalesce(bindparam("new_address", type_=Key(64)), chats.c.address),
    )
)
_UNREAD = select(chats.c.id, chats.c.unread_count).where(
    chats.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    chats.c.id.in_(bindparam("ids", expanding=True)),
)


def last_activity(tx: Tx, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dt.datetime]:
    """Return when something was last said on these accounts (platform scope)."""
    statement = (
        select(chats.c.account_id, func.max(chats.c.last_message_at).label("at"))
        .where(chats.c.account_id.in_(list(account_ids)), chats.c.last_message_at.is_not(None))
        .group_by(chats.c.account_id)
    )
    return {row["account_id"]: row["at"] for row in tx.all(statement)}


def ensure_chats(
    tx: Tx,
    workspaces: Collection[uuid.UUID],
    direct: Mapping[tuple[uuid.UUID, uuid.UUID], NewChat],
    groups: Mapping[tuple[uuid.UUID, uuid.UUID, str], NewChat],
) -> tuple[dict[tuple[uuid.UUID, uuid.UUID], ChatState], dict[tuple[uuid.UUID, uuid.UUID, str], ChatState]]:
    """Return chats by (account, contact) and by (workspace, account, address); missing ones are inserted.

    A direct chat's address follows the addressing mode that the peer used last.
    """
    accounts = {new.account_id for new in (*direct.values(), *groups.values())}
    by_contact: dict[tuple[uuid.UUID, uuid.UUID], ChatState] = {}
    by_address: dict[tuple[uuid.UUID, uuid.UUID, str], ChatState] = {}
    common = {"workspaces": list(workspaces), "accounts": list(accounts)}
    if direct:
        contacts = {contact for _, contact in direct}
        for row in tx.execute(_BY_CONTACT, {**common, "contacts": list(contacts)}).mappings():
            key = (row["account_id"], row["contact_id"])
            if key in direct:
                by_contact[key] = ChatState(**{**row, "address": direct[key].address})
    if groups:
        addresses = {new.address for new in groups.values()}
        for row in tx.execute(_BY_ADDRESS, {**common, "addresses": list(addresses)}).mappings():
            by_address[row["workspace_id"], row["account_id"], row["address"]] = ChatState(**row)
    rows: list[dict[str, Any]] = []
    for contact_key, new in direct.items():
        if contact_key not in by_contact:
            by_contact[contact_key] = _created(new, rows)
    for address_key, new in groups.items():
        if address_key not in by_address:
            by_address[address_key] = _created(new, rows)
    if rows:
        tx.execute(insert(chats), rows)
    return by_contact, by_address


def _created(new: NewChat, rows: list[dict[str, Any]]) -> ChatState:
    chat_id = uuid7()
    rows.append(
        {
            "id": chat_id,
            "workspace_id": new.workspace_id,
            "account_id": new.account_id,
            "kind": new.kind,
            "contact_id": new.contact_id,
            "address": new.address,
            "unread_count": 0,
            "created_at": utc_now(),
        }
    )
    return ChatState(chat_id, new.workspace_id, new.account_id, new.contact_id, new.address)


def save_chats(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the newest message of chats and add to their unread counts.

    Rows of `w`, `i`, `message`, `at`, `new_kind`, `preview`, `mine`, `unread` (to add), `new_address` (None: as it is).
    """
    tx.execute(_SAVE, [dict(row) for row in rows])


def unread_counts(tx: Tx, workspaces: Collection[uuid.UUID], chat_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return how many messages of these chats are unread."""
    rows = tx.execute(_UNREAD, {"workspaces": list(workspaces), "ids": list(chat_ids)})
    return {row["id"]: row["unread_count"] for row in rows.mappings()}


def find_chat(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, *, for_update: bool = False) -> RowMapping | None:
    """Return a chat; `for_update` keeps others from changing it until this unit is committed."""
    statement = select(chats).where(chats.c.workspace_id == workspace_id, chats.c.id == chat_id)
    return tx.one(statement.with_for_update(key_share=True) if for_update else statement)


def find_chats(
    tx: Tx, workspaces: Collection[uuid.UUID], account_id: uuid.UUID, addresses: Collection[str]
) -> Sequence[RowMapping]:
    """Return chats of an account by address."""
    parameters = {"workspaces": list(workspaces), "accounts": [account_id], "addresses": list(addresses)}
    return tx.execute(_BY_ADDRESS, parameters).mappings().all()


def change_chat(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Update one chat."""
    tx.execute(update(chats).where(chats.c.workspace_id == workspace_id, chats.c.id == chat_id).values(**values))


def chat_page(
    tx: Tx,
    workspace_id: uuid.UUID,
    *,
    account_id: uuid.UUID | None,
    unread: bool,
    contact_ids: Any | None,
    pattern: str | None,
    before: tuple[dt.datetime, uuid.UUID] | None,
    limit: int,
    archived: bool | None = None,
    pinned: bool | None = None,
    chat_ids: Any | None = None,
) -> Sequence[RowMapping]:
    """Return chats with messages, newest first. `contact_ids` is a select of matching contacts, or None; `chat_ids` one
    of the only chats that may be returned.
    """
    statement = select(chats).where(chats.c.workspace_id == workspace_id, chats.c.last_message_at.is_not(None))
    if account_id is not None:
        statement = statement.where(chats.c.account_id == account_id)
    if unread:
        statement = statement.where(or_(chats.c.unread_count > 0, chats.c.marked_unread.is_(True)))
    if archived is not None:
        statement = statement.where(func.coalesce(chats.c.archived, false()).is_(archived))
    if pinned is not None:
        statement = statement.where(chats.c.pinned_at.is_not(None) if pinned else chats.c.pinned_at.is_(None))
    if chat_ids is not None:
        statement = statement.where(chats.c.id.in_(chat_ids))
    if contact_ids is not None and pattern is not None:
        matches = func.lower(chats.c.last_preview).like(pattern, escape="\\")
        named = func.lower(chats.c.name).like(pattern, escape="\\")
        statement = statement.where(or_(chats.c.contact_id.in_(contact_ids), matches, named))
    if before is not None:
        at, chat_id = before
        # the first condition says nothing new, but it is one that an index can seek
        statement = statement.where(
            chats.c.last_message_at <= at, or_(chats.c.last_message_at < at, chats.c.id < chat_id)
        )
    return tx.all(statement.order_by(chats.c.last_message_at.desc(), chats.c.id.desc()).limit(limit))


def move_chats(tx: Tx, workspace_id: uuid.UUID, loser: uuid.UUID, winner: uuid.UUID) -> None:
    """Give the chats of one contact to another; where both have a chat on an account, the two become one."""
    # locked first: whoever is storing a message in one of them has committed when its messages are moved
    rows = tx.all(
        select(*_STATE, *_NEWEST, chats.c.unread_count)
        .where(chats.c.workspace_id == workspace_id, chats.c.contact_id.in_([loser, winner]))
        .order_by(chats.c.id)
        .with_for_update()
    )
    kept = {row["account_id"]: row for row in rows if row["contact_id"] == winner}
    for row in (row for row in rows if row["contact_id"] == loser):
        target = kept.get(row["account_id"])
        if target is None:
            change_chat(tx, workspace_id, row["id"], {"contact_id": winner})
            continue
        for table in (messages, outbox):
            tx.execute(
                update(table)
                .where(table.c.workspace_id == workspace_id, table.c.chat_id == row["id"])
                .values(chat_id=target["id"])
            )
        newest = max((target, row), key=lambda chat: (chat["last_message_at"] is not None, chat["last_message_at"]))
        tx.execute(delete(chats).where(chats.c.workspace_id == workspace_id, chats.c.id == row["id"]))
        names = ("last_message_id", "last_message_at", "last_kind", "last_preview", "last_from_me", "address")
        change_chat(
            tx,
            workspace_id,
            target["id"],
            {
                **{name: newest[name] for name in names},
                "unread_count": target["unread_count"] + row["unread_count"],
            },
        )


def change_address(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID, old: str, new: str) -> None:
    """Let the chats with a contact that are written to at `old` be written to at `new`."""
    tx.execute(
        update(chats)
        .where(chats.c.workspace_id == workspace_id, chats.c.contact_id == contact_id, chats.c.address == old)
        .values(address=new)
    )


def chat_state(row: RowMapping) -> ChatState:
    """Return what a batch may change of a chat's row."""
    return ChatState(**{column.name: row[column.name] for column in _STATE})


_DIRECT = select(*_STATE).where(
    chats.c.workspace_id == bindparam("workspace"),
    chats.c.account_id == bindparam("account"),
    chats.c.contact_id == bindparam("contact"),
)


def find_direct(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, contact_id: uuid.UUID) -> RowMapping | None:
    """Return the chat of an account with a contact."""
    parameters = {"workspace": workspace_id, "account": account_id, "contact": contact_id}
    return tx.execute(_DIRECT, parameters).mappings().first()
