"""Storing what WhatsApp delivers: many messages of many workspaces in one unit, each stored once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from blazz import events
from blazz.contacts.resolve import Resolution
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.messaging import changes, feeds, kinds, newest, repository
from blazz.messaging.healing import Seal, heal, plan_download
from blazz.messaging.identities import Authors, Identity, learn, peer_of
from blazz.messaging.model import InboundMessage, InboundReceipt, PreparedMessage, StoreResult
from blazz.messaging.receipts import store_receipts
from blazz.messaging.rows import content_of, message_row
from blazz.messaging.tables import messages as messages_table

ChatKey = tuple[uuid.UUID, uuid.UUID, str]


def prepare(batch: Sequence[InboundMessage]) -> list[PreparedMessage]:
    """Decode a batch; protobuf work belongs outside the unit of work. A damaged message becomes `unprocessable`.

    The character U+0000, which PostgreSQL cannot store, becomes U+FFFD.
    """
    return [_prepare(message) for message in batch]


def _prepare(message: InboundMessage) -> PreparedMessage:
    if message.undecryptable:
        return PreparedMessage(message, kinds.Decoded(kinds.UNSUPPORTED, None, {"kind": "undecryptable"}))
    flags: dict[str, object] = {"offline": True} if message.offline else {}
    message = replace(message, push_name=_storable(message.push_name))
    try:
        decoded = kinds.decode(message.raw)
    except ValueError:
        return PreparedMessage(message, _UNPROCESSABLE, {**flags, "unprocessable": True})
    if decoded is not None:
        decoded = replace(
            decoded,
            body=_storable(decoded.body),
            content=_storable(decoded.content),
            media=_storable_media(decoded.media),
            target=_storable_parts(decoded.target),
            envelope=_storable_parts(decoded.envelope),
        )
    return PreparedMessage(message, decoded, flags)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return type(value)(_storable(item) for item in value) if isinstance(value, (list, tuple)) else value


def _storable_parts(value: Any) -> Any:
    if value is None:
        return None
    return replace(value, **{field.name: _storable(getattr(value, field.name)) for field in fields(value)})


def _storable_media(media: kinds.MediaReference | None) -> kinds.MediaReference | None:
    if media is None:
        return None
    return replace(media, mime_type=_storable(media.mime_type), filename=_storable(media.filename))


_FLAGS: dict[str, object] = {"unprocessable": True}
_UNPROCESSABLE = kinds.Decoded(kinds.UNSUPPORTED, None, {"kind": "unprocessable"})


def store_unprocessable(tx: Tx, batch: Sequence[InboundMessage]) -> StoreResult:
    """Keep messages that could not be stored for their content: raw, without names, and shown as such."""
    items = [PreparedMessage(replace(message, push_name=None), _UNPROCESSABLE, _FLAGS) for message in batch]
    return store_messages(tx, items, lambda value, _context: value)


def store_messages(tx: Tx, batch: Sequence[PreparedMessage], seal: Seal) -> StoreResult:
    """Store a batch; what is there already (live, offline, other addressing mode) is left as it is.

    `seal(value, context)` encrypts what fetches media. The scope must allow every workspace of the batch.
    """
    wanted = feeds.wanted(tx, [item for item in batch if item.decoded is not None])
    if not wanted:
        return StoreResult(0, 0, 0)
    workspaces = {item.message.workspace_id for item in wanted}
    resolution = learn(tx, [peer for item in wanted if (peer := peer_of(item.message)) is not None])
    for workspace_id in {item.message.workspace_id for item in wanted if item.decoded and item.decoded.target}:
        events.see_all_rows(tx, workspace_id)  # a change finds what it is about
    authors = Authors(resolution)
    present = repository.present_identities(
        tx, workspaces, {item.message.account_id for item in wanted}, {item.message.wa_message_id for item in wanted}
    )
    fresh: list[PreparedMessage] = []
    doubles: list[PreparedMessage] = []
    placeholders: dict[Identity, int] = {}
    for item in wanted:
        identity, *others = authors.identities(item.message)
        if identity in placeholders and not item.message.undecryptable:
            fresh[placeholders.pop(identity)] = item
        elif identity in present or not present.isdisjoint(others):
            doubles.append(item)
        else:
            present.add(identity)
            if item.message.undecryptable:
                placeholders[identity] = len(fresh)
            fresh.append(item)
    healed = heal(tx, doubles, authors, present, seal)
    chats = _chats(tx, workspaces, fresh, resolution)
    downloads = _insert(tx, fresh, chats, authors, seal)
    return StoreResult(len(fresh), len(wanted) - len(fresh), downloads + healed)


def _chats(
    tx: Tx, workspaces: set[uuid.UUID], fresh: Sequence[PreparedMessage], resolution: Resolution
) -> dict[int, repository.ChatState]:
    """Return the chat of each message by its index, creating those that are missing."""
    direct: dict[tuple[uuid.UUID, uuid.UUID], repository.NewChat] = {}
    others: dict[ChatKey, repository.NewChat] = {}
    for item in fresh:
        message, peer = item.message, peer_of(item.message)
        new = repository.NewChat(message.workspace_id, message.account_id, message.chat, "direct", None)
        if peer is None or _has_own_chat(message):
            kind = "group" if message.is_group else feeds.feed_kind(message.chat) or "direct"
            others[_chat_key(message)] = replace(new, kind=kind)
        else:
            contact_id = resolution.contact_ids[peer]
            direct[message.account_id, contact_id] = replace(new, contact_id=contact_id)
    by_contact, by_address = repository.ensure_chats(tx, workspaces, direct, others)
    found: dict[int, repository.ChatState] = {}
    for index, item in enumerate(fresh):
        message, peer = item.message, peer_of(item.message)
        if peer is None or _has_own_chat(message):
            found[index] = by_address[_chat_key(message)]
        else:
            found[index] = by_contact[message.account_id, resolution.contact_ids[peer]]
    return found


def _has_own_chat(message: InboundMessage) -> bool:
    """Tell whether a message's chat is no person's: a group or a feed."""
    return message.is_group or feeds.feed_kind(message.chat) is not None


def _chat_key(message: InboundMessage) -> ChatKey:
    return message.workspace_id, message.account_id, message.chat


def _insert(
    tx: Tx,
    fresh: Sequence[PreparedMessage],
    chats: dict[int, repository.ChatState],
    authors: Authors,
    seal: Seal,
) -> int:
    pending: list[media.PendingDownload] = []
    rows: list[dict[str, Any]] = []
    changed: list[tuple[dict[str, Any], kinds.Target]] = []
    newest_of: list[tuple[repository.ChatState, dict[str, Any], str | None]] = []
    touched: dict[uuid.UUID, repository.ChatState] = {}
    for index, item in enumerate(fresh):
        message, decoded, chat = item.message, item.decoded, chats[index]
        assert decoded is not None
        row = row_of(item, chat, authors.identity(message)[3])
        if decoded.target is not None:
            changed.append((row, decoded.target))
            continue
        _set_chat(tx, chat, decoded)
        row["media_id"] = plan_download(item, row["id"], pending, seal)
        events.insert_at_position(tx, messages_table, row, _announce(tx, message, chat, row["id"], authors))
        rows.append(row)
        if not kinds.kind_of(decoded.kind).quiet:
            newest_of.append((chat, row, None if _has_own_chat(message) else chat.address))
            touched[chat.id] = chat
    changes.store(tx, rows, changed)
    for chat, row, address in newest_of:
        newest.note(tx, newest.of_row(chat, row, address))
    if pending:
        media.plan_downloads(tx, pending)
    for chat in touched.values():
        newest.tell_unread(tx, chat)
    return len(pending)


def _set_chat(tx: Tx, chat: repository.ChatState, decoded: kinds.Decoded) -> None:
    """Let a message change the settings of its chat. A timer that was set before we knew the chat shows in messages."""
    columns = dict(kinds.kind_of(decoded.kind).of_chat(decoded.content))
    if chat.timer_s is None and decoded.envelope.expires_s:
        columns.setdefault("timer_s", decoded.envelope.expires_s)
    if columns:
        repository.change_chat(tx, chat.workspace_id, chat.id, columns)
        chat.timer_s = columns.get("timer_s", chat.timer_s)


def row_of(item: PreparedMessage, chat: repository.ChatState, author: str) -> dict[str, Any]:
    """Return the row of a message that holds something for people, without file and position."""
    message, decoded = item.message, item.decoded
    assert decoded is not None
    target = decoded.target
    now = utc_now()
    return message_row(
        id=uuid7(),
        workspace_id=message.workspace_id,
        account_id=message.account_id,
        chat_id=chat.id,
        wa_message_id=message.wa_message_id,
        from_me=message.from_me,
        author=author,
        kind=decoded.kind,
        body=decoded.body,
        content=content_of(item),
        quoted_wa_message_id=decoded.quoted_id,
        state="sent" if message.from_me else "received",
        state_at=now,
        source="phone" if message.from_me else "customer",
        timestamp=message.timestamp,
        created_at=now,
        flags=item.flags or None,
        raw=message.raw if decoded.kind == kinds.UNSUPPORTED else None,
        target_wa_id=target.wa_message_id if target is not None else None,
    )


def _announce(
    tx: Tx, message: InboundMessage, chat: repository.ChatState, message_id: uuid.UUID, authors: Authors
) -> events.EventDraft:
    data: dict[str, Any] = {"message_id": str(message_id), "chat_id": str(chat.id)}
    if chat.contact_id is not None:
        data["contact_id"] = str(chat.contact_id)
    if known := authors.known(message):
        data["identifiers"] = dict(known)
    if message.from_me:
        data["state"] = "sent"
    if feed := feeds.feed_kind(chat.address):
        data["chat_kind"] = feed  # nothing to answer: automations leave it alone
    return events.append(
        tx,
        "message.sent" if message.from_me else "message.received",
        data,
        workspace_id=message.workspace_id,
        account_id=message.account_id,
    )


__all__ = [
    "InboundMessage",
    "InboundReceipt",
    "PreparedMessage",
    "StoreResult",
    "prepare",
    "store_messages",
    "store_receipts",
    "store_unprocessable",
]
