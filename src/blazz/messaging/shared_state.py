"""Settings of a number that its phone or another device has changed: stored here, told by events."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import RowMapping

from blazz import events
from blazz._generated.wa.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionValue
from blazz.contacts import profiles
from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging import repository, requests
from blazz.messaging.addresses import lid_of, phone_of, without_device
from blazz.messaging.history_model import FOREVER
from blazz.messaging.lookup import chat_with
from blazz.messaging.repository import state as sql
from blazz.messaging.settings import tell_chat

_LABEL_NAME = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One setting with its new value, as WhatsApp serialises it."""

    index: tuple[str, ...]
    value: bytes


def store(tx: Tx, account_id: uuid.UUID, changes: Sequence[Change]) -> None:
    """Store settings in order. What we are about to write ourselves, and what nobody reads, is left alone.

    The scope is the number's workspace.
    """
    events.see_all_rows(tx, tx.workspace_id)
    ours = requests.waiting(tx, account_id, [change.index for change in changes])
    for change in changes:
        handler = _HANDLERS.get(change.index[0]) if change.index else None
        if handler is None or requests.slot_of(change.index) in ours:
            continue
        try:
            value = SyncActionValue.FromString(change.value)
        except DecodeError:
            continue
        handler(tx, account_id, change.index[1:], value)


def note_seen(tx: Tx, account_id: uuid.UUID, collection: str, version: int) -> None:
    """Store that a collection is here up to a version."""
    row = {"id": uuid7(), "workspace_id": tx.workspace_id, "account_id": account_id}
    sql.note_seen(tx, {**row, "collection": collection[:32], "version": version})


def seen(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> dict[str, int]:
    """Return up to which version each collection is here."""
    return sql.seen_versions(tx, workspace_id, account_id)


def read_anew(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Have all settings sent again: chats are here now that were not when they came."""
    sql.forget_seen(tx, workspace_id, account_id)


def _chat(tx: Tx, account_id: uuid.UUID, address: str) -> RowMapping | None:
    try:
        name = without_device(address)
    except ValueError:
        return None
    chat_id = chat_with(tx, account_id, name, phone_of(name), lid_of(name))
    return None if chat_id is None else repository.find_chat(tx, tx.workspace_id, chat_id, for_update=True)


def _set(tx: Tx, chat: RowMapping, values: dict[str, Any]) -> None:
    changed = {name: value for name, value in values.items() if (chat[name] or None) != (value or None)}
    if changed:
        repository.change_chat(tx, chat["workspace_id"], chat["id"], changed)
        tell_chat(tx, chat, changed)


def _archive(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    if index and (chat := _chat(tx, account_id, index[0])) is not None:
        _set(tx, chat, {"archived": value.archiveChatAction.archived})


def _pin(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    if index and (chat := _chat(tx, account_id, index[0])) is not None:
        pinned = value.pinAction.pinned
        if pinned != (chat["pinned_at"] is not None):
            _set(tx, chat, {"pinned_at": _moment(value) if pinned else None})


def _mute(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    if not index or (chat := _chat(tx, account_id, index[0])) is None:
        return
    until: dt.datetime | None = None
    if value.muteAction.muted:
        end = value.muteAction.muteEndTimestamp
        until = FOREVER if end <= 0 else _bounded(end)
    _set(tx, chat, {"muted_until": until})


def _mark(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    if index and (chat := _chat(tx, account_id, index[0])) is not None:
        read = value.markChatAsReadAction.read
        _set(tx, chat, {"marked_unread": False, "unread_count": 0} if read else {"marked_unread": True})


def _contact(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    del account_id
    if not index:
        return
    addresses = [one for one in (index[0], value.contactAction.lidJID, value.contactAction.pnJID) if one]
    phone = next((found for one in addresses if (found := phone_of(one))), None)
    lid = next((found for one in addresses if (found := lid_of(one))), None)
    contact_id = contacts.find_by_identifiers(tx, phone, lid)
    if contact_id is not None:
        name = value.contactAction.fullName or value.contactAction.firstName
        profiles.note_name(tx, contact_id, "book_name", name.replace("\x00", "\ufffd"))


def _star(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    row = _message(tx, account_id, index)
    starred = value.starAction.starred
    if row is not None and (row["starred_at"] is not None) != starred:
        _change_message(tx, row, {"starred_at": _moment(value) if starred else None}, {"starred": starred})


def _delete_message(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    row = _message(tx, account_id, index)
    if row is not None and row["hidden_at"] is None:
        _change_message(tx, row, {"hidden_at": _moment(value)}, {"hidden": True})


def _delete_chat(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    """Hide what a chat holds up to the deletion; a later message brings it back without that."""
    if not index or (chat := _chat(tx, account_id, index[0])) is None:
        return
    deleted = value.deleteChatAction if value.HasField("deleteChatAction") else value.clearChatAction
    seconds = deleted.messageRange.lastMessageTimestamp
    until = _bounded(seconds * 1000) if seconds else _moment(value)
    sql.hide_until(tx, tx.workspace_id, chat["id"], until, utc_now())
    if chat["last_message_at"] is not None and chat["last_message_at"] <= until:
        gone = dict.fromkeys(("last_message_id", "last_message_at", "last_kind", "last_preview", "last_from_me"))
        repository.change_chat(tx, tx.workspace_id, chat["id"], {**gone, "unread_count": 0, "marked_unread": False})
    events.append(tx, "chat.updated", {"chat_id": str(chat["id"]), "emptied": True}, account_id=account_id)


def _label(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    if not index or not 0 < len(index[0]) <= 16:
        return
    known = sql.find_label(tx, tx.workspace_id, account_id, index[0])
    edit = value.labelEditAction
    if edit.deleted:
        if known is not None:
            sql.delete_label(tx, tx.workspace_id, known["id"])
    else:
        name = edit.name.replace("\x00", "\ufffd")[:_LABEL_NAME] or index[0]
        if known is not None and (known["name"], known["colour"]) == (name, edit.color):
            return
        row = {"id": uuid7(), "workspace_id": tx.workspace_id, "account_id": account_id, "wa_label_id": index[0]}
        sql.put_label(tx, {**row, "name": name, "colour": edit.color})
    events.append(tx, "labels.updated", {"wa_label_id": index[0]}, account_id=account_id)


def _label_chat(tx: Tx, account_id: uuid.UUID, index: Sequence[str], value: SyncActionValue) -> None:
    if len(index) < 2 or (chat := _chat(tx, account_id, index[1])) is None:
        return
    label = sql.find_label(tx, tx.workspace_id, account_id, index[0])
    if label is None:
        return
    carried = {row["id"] for row in sql.labels_of_chats(tx, tx.workspace_id, [chat["id"]])}
    labelled = value.labelAssociationAction.labeled
    if labelled == (label["id"] in carried):
        return
    if labelled:
        own = {"id": uuid7(), "workspace_id": tx.workspace_id, "chat_id": chat["id"], "label_id": label["id"]}
        sql.attach_label(tx, own)
    else:
        sql.detach_label(tx, tx.workspace_id, chat["id"], label["id"])
    tell_chat(tx, chat, {}, labels=True)


def _message(tx: Tx, account_id: uuid.UUID, index: Sequence[str]) -> RowMapping | None:
    """Return the message that `chat, id, from_me, author` names."""
    if len(index) < 4 or (chat := _chat(tx, account_id, index[0])) is None:
        return None
    row = repository.find_in_chat(tx, tx.workspace_id, chat["id"], index[1])
    return row if row is not None and row["from_me"] == (index[2] == "1") else None


def _change_message(tx: Tx, row: RowMapping, columns: dict[str, Any], told: dict[str, Any]) -> None:
    repository.change_message(tx, row["workspace_id"], row["id"], columns)
    data = {"message_id": str(row["id"]), "chat_id": str(row["chat_id"]), **told}
    events.append(tx, "message.updated", data, workspace_id=row["workspace_id"], account_id=row["account_id"])


def _moment(value: SyncActionValue) -> dt.datetime:
    return _bounded(value.timestamp) if value.timestamp > 0 else utc_now()


def _bounded(milliseconds: int) -> dt.datetime:
    """Return a moment that a calendar has, whatever the phone says."""
    try:
        return min(from_unix_ms(milliseconds), FOREVER)
    except (OverflowError, ValueError, OSError):
        return FOREVER


_Handler = Callable[[Tx, uuid.UUID, Sequence[str], SyncActionValue], None]
_HANDLERS: dict[str, _Handler] = {
    "archive": _archive,
    "pin_v1": _pin,
    "mute": _mute,
    "markChatAsRead": _mark,
    "contact": _contact,
    "star": _star,
    "deleteMessageForMe": _delete_message,
    "deleteChat": _delete_chat,
    "clearChat": _delete_chat,
    "label_edit": _label,
    "label_jid": _label_chat,
}
READ: Collection[str] = frozenset(_HANDLERS)
"""The kinds of settings that are stored."""
