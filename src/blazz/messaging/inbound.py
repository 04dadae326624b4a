"""Storing what WhatsApp delivers: many messages of many workspaces in one unit, each stored once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from blazz import events
from blazz.contacts import service as contacts
from blazz.contacts.resolve import Peer, Resolution, finish_merges, resolve
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.messaging import kinds, newest, repository
from blazz.messaging.addresses import LID_SERVER, PHONE_SERVER
from blazz.messaging.healing import Identity, Seal, heal, plan_download
from blazz.messaging.model import InboundMessage, InboundReceipt, PreparedMessage, StoreResult
from blazz.messaging.receipts import store_receipts
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
        body, content, quoted = (_storable(part) for part in (decoded.body, decoded.content, decoded.quoted_id))
        decoded = replace(decoded, body=body, content=content, quoted_id=quoted, media=_storable_media(decoded.media))
    return PreparedMessage(message, decoded, flags)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


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
    wanted = [item for item in batch if item.decoded is not None]
    if not wanted:
        return StoreResult(0, 0, 0)
    workspaces = {item.message.workspace_id for item in wanted}
    resolution = resolve(tx, [peer for item in wanted if (peer := _peer(item.message)) is not None])
    apply_learned(tx, resolution)
    canonical = _canonical_authors(tx, wanted, resolution)
    present = repository.present_identities(
        tx, workspaces, {item.message.account_id for item in wanted}, {item.message.wa_message_id for item in wanted}
    )
    fresh: list[PreparedMessage] = []
    doubles: list[PreparedMessage] = []
    placeholders: dict[Identity, int] = {}
    for item in wanted:
        identity = _identity(item.message, canonical)
        if identity in placeholders and not item.message.undecryptable:
            fresh[placeholders.pop(identity)] = item
        elif identity in present or _by_number(item.message) in present:
            doubles.append(item)
        else:
            present.add(identity)
            if item.message.undecryptable:
                placeholders[identity] = len(fresh)
            fresh.append(item)
    healed = heal(tx, doubles, lambda message: _identity(message, canonical), seal)
    chats = _chats(tx, workspaces, fresh, resolution)
    downloads = _insert(tx, fresh, chats, canonical, seal)
    return StoreResult(len(fresh), len(wanted) - len(fresh), downloads + healed)


def _peer(message: InboundMessage) -> Peer | None:
    if message.phone is None and message.lid is None:
        return None
    name = None if message.from_me else message.push_name
    return Peer(message.workspace_id, message.phone, message.lid, name)


def apply_learned(tx: Tx, resolution: Resolution) -> None:
    """Re-key authors where a LID became known, move what belongs to merged contacts; all in this unit."""
    learned = [*resolution.handed_over, *resolution.learned_lids]
    for workspace_id in {item[0] for item in learned} | {merge.workspace_id for merge in resolution.merges}:
        events.see_all_rows(tx, workspace_id)
    for workspace_id, contact_id, phone, lid in resolution.handed_over:
        repository.change_address(tx, workspace_id, contact_id, _phone_address(phone), _lid_address(lid))
    dropped: list[tuple[uuid.UUID, uuid.UUID, int]] = []
    for workspace_id, contact_id, phone, lid in resolution.learned_lids:
        lost = repository.rekey_author(tx, workspace_id, contact_id, _phone_address(phone), _lid_address(lid))
        dropped += [(workspace_id, chat_id, count) for chat_id, count in lost]
    for merge in resolution.merges:
        repository.move_chats(tx, merge.workspace_id, merge.loser, merge.winner)
    finish_merges(tx, resolution.merges)
    for workspace_id, chat_id, count in dropped:
        repository.drop_doubles(tx, workspace_id, chat_id, count)


def _phone_address(phone: str) -> str:
    return f"{phone.removeprefix('+')}@{PHONE_SERVER}"


def _lid_address(lid: str) -> str:
    return f"{lid}@{LID_SERVER}"


def _canonical_authors(
    tx: Tx, batch: Sequence[PreparedMessage], resolution: Resolution
) -> dict[tuple[uuid.UUID, str], str]:
    """Return the LID address for authors given by number whose LID is known."""
    by_phone = {
        (item.message.workspace_id, item.message.author): peer
        for item in batch
        if item.message.author.endswith(PHONE_SERVER) and (peer := _peer(item.message)) is not None
    }
    if not by_phone:
        return {}
    lids = contacts.lids_of(tx, {key[0] for key in by_phone}, set(resolution.contact_ids.values()))
    found: dict[tuple[uuid.UUID, str], str] = {}
    for key, peer in by_phone.items():
        lid = lids.get(resolution.contact_ids[peer])
        if lid is not None:
            found[key] = _lid_address(lid)
    return found


def _identity(message: InboundMessage, canonical: dict[tuple[uuid.UUID, str], str]) -> Identity:
    author = "" if message.from_me else canonical.get((message.workspace_id, message.author), message.author)
    return message.account_id, message.wa_message_id, message.from_me, author


def _by_number(message: InboundMessage) -> Identity | None:
    """Return the identity under which a group's message was stored if its author's LID was not known then."""
    if not message.is_group or message.from_me or message.phone is None:
        return None
    return message.account_id, message.wa_message_id, False, _phone_address(message.phone)


def _chats(
    tx: Tx, workspaces: set[uuid.UUID], fresh: Sequence[PreparedMessage], resolution: Resolution
) -> dict[int, repository.ChatState]:
    """Return the chat of each message by its index, creating those that are missing."""
    direct: dict[tuple[uuid.UUID, uuid.UUID], repository.NewChat] = {}
    others: dict[ChatKey, repository.NewChat] = {}
    for item in fresh:
        message, peer = item.message, _peer(item.message)
        new = repository.NewChat(message.workspace_id, message.account_id, message.chat, "direct", None)
        if message.is_group or peer is None:
            others[_chat_key(message)] = replace(new, kind="group") if message.is_group else new
        else:
            contact_id = resolution.contact_ids[peer]
            direct[message.account_id, contact_id] = replace(new, contact_id=contact_id)
    by_contact, by_address = repository.ensure_chats(tx, workspaces, direct, others)
    found: dict[int, repository.ChatState] = {}
    for index, item in enumerate(fresh):
        message, peer = item.message, _peer(item.message)
        if message.is_group or peer is None:
            found[index] = by_address[_chat_key(message)]
        else:
            found[index] = by_contact[message.account_id, resolution.contact_ids[peer]]
    return found


def _chat_key(message: InboundMessage) -> ChatKey:
    return message.workspace_id, message.account_id, message.chat


def _insert(
    tx: Tx,
    fresh: Sequence[PreparedMessage],
    chats: dict[int, repository.ChatState],
    canonical: dict[tuple[uuid.UUID, str], str],
    seal: Seal,
) -> int:
    now = utc_now()
    pending: list[media.PendingDownload] = []
    touched: dict[uuid.UUID, repository.ChatState] = {}
    for index, item in enumerate(fresh):
        message, decoded, chat = item.message, item.decoded, chats[index]
        assert decoded is not None
        message_id = uuid7()
        media_id = plan_download(item, message_id, pending, seal)
        preview = (decoded.body or "")[: newest.PREVIEW]
        row: dict[str, Any] = {
            "id": message_id,
            "workspace_id": message.workspace_id,
            "account_id": message.account_id,
            "chat_id": chat.id,
            "wa_message_id": message.wa_message_id,
            "from_me": message.from_me,
            "author": _identity(message, canonical)[3],
            "kind": decoded.kind,
            "body": decoded.body,
            "content": dict(decoded.content),
            "media_id": media_id,
            "quoted_wa_message_id": decoded.quoted_id,
            "state": "sent" if message.from_me else "received",
            "state_at": now,
            "error_code": None,
            "error_detail": None,
            "source": "phone" if message.from_me else "customer",
            "sent_by": None,
            "timestamp": message.timestamp,
            "created_at": now,
            "flags": item.flags or None,
            "raw": message.raw if decoded.kind == kinds.UNSUPPORTED else None,
        }
        data: dict[str, Any] = {"message_id": str(message_id), "chat_id": str(chat.id)}
        if chat.contact_id is not None:
            data["contact_id"] = str(chat.contact_id)
        if message.from_me:
            data["state"] = "sent"
        draft = events.append(
            tx,
            "message.sent" if message.from_me else "message.received",
            data,
            workspace_id=message.workspace_id,
            account_id=message.account_id,
        )
        events.insert_at_position(tx, messages_table, row, draft)
        address = None if message.is_group else chat.address
        newest.note(
            tx,
            newest.NewestMessage(chat, message_id, message.timestamp, decoded.kind, preview, message.from_me, address),
        )
        touched[chat.id] = chat
    if pending:
        media.plan_downloads(tx, pending)
    for chat in touched.values():
        newest.tell_unread(tx, chat)
    return len(pending)


__all__ = [
    "InboundMessage",
    "InboundReceipt",
    "PreparedMessage",
    "StoreResult",
    "apply_learned",
    "prepare",
    "store_messages",
    "store_receipts",
    "store_unprocessable",
]
