"""What messages change of their chats: the newest message, the unread count, the address. Written once per commit.

Many messages of one chat are one UPDATE, in the order of the chats' ids, as some of the last statements: units that
write to the same chats in different processes do not hold them against each other.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blazz import events
from blazz.kit.db import Tx
from blazz.messaging import kinds, repository
from blazz.messaging.feeds import feed_kind
from blazz.messaging.kinds.base import Row

PREVIEW = 200  # characters of the newest message that a chat shows


@dataclass(frozen=True, slots=True)
class NewestMessage:
    """A message on its way into a chat. `address` is the one that the peer used for it; None for one of ours."""

    chat: repository.ChatState
    message_id: uuid.UUID
    at: dt.datetime
    kind: str
    preview: str
    from_me: bool
    address: str | None = None


def line(row: Row) -> tuple[str, str]:
    """Return the kind and the text under which the list of chats shows a message."""
    if row["deleted_at"] is not None:
        return "deleted", ""
    return row["kind"], kinds.kind_of(row["kind"]).preview(row["body"], row["content"])[:PREVIEW]


def of_row(chat: repository.ChatState, row: Mapping[str, Any], address: str | None = None) -> NewestMessage:
    """Return what a message's row says of it to its chat."""
    kind, preview = line(row)
    return NewestMessage(chat, row["id"], row["timestamp"], kind, preview, row["from_me"], address)


def recompute(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, *, fewer_unread: int = 0) -> None:
    """Find a chat's newest message again after some are gone, of which `fewer_unread` may have been unread."""
    chat = repository.find_chat(tx, workspace_id, chat_id, for_update=True)
    if chat is None:
        return
    values: dict[str, Any] = {"unread_count": max(chat["unread_count"] - fewer_unread, 0)}
    last = repository.newest_message(tx, workspace_id, chat_id, kinds.QUIET)
    if last is None:
        values |= {"last_message_id": None, "last_kind": None, "last_preview": None, "last_from_me": None}
    else:
        kind, preview = line(last)
        values |= {"last_message_id": last["id"], "last_kind": kind, "last_preview": preview}
        values["last_from_me"] = last["from_me"]
    repository.change_chat(tx, workspace_id, chat_id, values)


@dataclass(frozen=True, slots=True)
class _Told:
    """An event that tells how many messages of a chat are unread."""

    chat: repository.ChatState
    draft: events.EventDraft


def note(tx: Tx, newest: NewestMessage) -> None:
    """Let a message be its chat's newest, and unread unless it is ours or of a feed.

    It takes effect at the end of the commit.
    """
    tx.flush_together(_flush, newest)


def tell_unread(tx: Tx, chat: repository.ChatState) -> None:
    """Add an event `chat.updated` with the unread count that the chat has at the end of the commit."""
    draft = events.append(
        tx,
        "chat.updated",
        {"chat_id": str(chat.id)},
        workspace_id=chat.workspace_id,
        account_id=chat.account_id,
    )
    tx.flush_together(_flush, _Told(chat, draft))


def _flush(tx: Tx, items: Sequence[NewestMessage | _Told]) -> None:
    last: dict[uuid.UUID, NewestMessage] = {}
    moments: dict[uuid.UUID, dt.datetime] = {}
    unread: dict[uuid.UUID, int] = {}
    addresses: dict[uuid.UUID, str] = {}
    for item in items:
        if isinstance(item, _Told):
            continue
        chat_id = item.chat.id
        last[chat_id] = item
        moments[chat_id] = max(moments.get(chat_id, item.at), item.at)
        is_new = not item.from_me and feed_kind(item.chat.address) is None
        unread[chat_id] = unread.get(chat_id, 0) + is_new
        if item.address is not None:
            addresses[chat_id] = item.address
    rows = [
        {
            "w": item.chat.workspace_id,
            "i": chat_id,
            "message": item.message_id,
            "at": moments[chat_id],
            "new_kind": item.kind,
            "preview": item.preview,
            "mine": item.from_me,
            "unread": unread[chat_id],
            "new_address": addresses.get(chat_id),
        }
        for chat_id, item in sorted(last.items())
    ]
    if rows:
        repository.save_chats(tx, rows)
    told = [item for item in items if isinstance(item, _Told)]
    if told:
        counts = repository.unread_counts(tx, {t.chat.workspace_id for t in told}, {t.chat.id for t in told})
        for item in told:
            item.draft.data["unread_count"] = counts.get(item.chat.id, 0)
