"""Settings of a number that its phone or another device has changed: stored here, told by events."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from blazz import events
from blazz._generated.wa.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionValue
from blazz.contacts import kept, profiles
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging import newest, repository, requests
from blazz.messaging.addresses import lid_of, phone_of, without_device
from blazz.messaging.history_model import FOREVER
from blazz.messaging.repository import state as sql
from blazz.messaging.settings import tell_chat
from blazz.messaging.state_batch import Batch, addresses_of_contact

_LABEL_NAME = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One setting with its new value, as WhatsApp serialises it."""

    index: tuple[str, ...]
    value: bytes


def store(tx: Tx, account_id: uuid.UUID, changes: Sequence[Change]) -> None:
    """Store settings in order. What we are about to write ourselves, and what nobody reads, is left alone.

    The scope is the number's workspace. What is looked up takes the same few statements for any number of changes.
    """
    events.see_all_rows(tx, tx.workspace_id)
    ours = requests.waiting(tx, account_id, [change.index for change in changes])
    wanted = []
    for change in changes:
        if not change.index or change.index[0] not in _HANDLERS or requests.slot_of(change.index) in ours:
            continue
        try:
            wanted.append((change.index, SyncActionValue.FromString(change.value)))
        except DecodeError:
            continue
    batch = Batch(tx, account_id, wanted)
    for index, value in wanted:
        _HANDLERS[index[0]](batch, index[1:], value)
    if batch.names:
        kept.note_names(tx, account_id, batch.names)


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


def _archive(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    if (chat := batch.chat(index)) is not None:
        batch.set_chat(chat, {"archived": value.archiveChatAction.archived})


def _pin(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    chat, pinned = batch.chat(index), value.pinAction.pinned
    if chat is not None and pinned != (chat["pinned_at"] is not None):
        batch.set_chat(chat, {"pinned_at": _moment(value) if pinned else None})


def _mute(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    if (chat := batch.chat(index)) is None:
        return
    until: dt.datetime | None = None
    if value.muteAction.muted:
        end = value.muteAction.muteEndTimestamp
        until = FOREVER if end <= 0 else _bounded(end)
    batch.set_chat(chat, {"muted_until": until})


def _mark(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    if (chat := batch.chat(index)) is not None:
        read = value.markChatAsReadAction.read
        batch.set_chat(chat, {"marked_unread": False, "unread_count": 0} if read else {"marked_unread": True})


def _contact(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    addresses = [without_device(one) for one in addresses_of_contact(index, value) if phone_of(one) or lid_of(one)]
    name = value.contactAction.fullName or value.contactAction.firstName
    batch.names |= dict.fromkeys(addresses, name)
    contact_id = next((found for one in addresses if (found := batch.contact(one)) is not None), None)
    if contact_id is not None:
        profiles.note_name(batch.tx, contact_id, "book_name", name.replace("\x00", "\ufffd"))


def _star(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    row, starred = batch.message(index), value.starAction.starred
    if row is not None and (row["starred_at"] is not None) != starred:
        at = _moment(value) if starred else None
        batch.set_message(row, {"starred_at": at}, "message.updated", {"starred": starred})


def _delete_message(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    row = batch.message(index)
    if row is not None and row["hidden_at"] is None:
        batch.set_message(row, {"hidden_at": _moment(value)}, "message.deleted", {"for": "me"})
        newest.recompute(batch.tx, row["workspace_id"], row["chat_id"])


def _delete_chat(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    """Hide what a chat holds up to the deletion; a later message brings it back without that."""
    if (chat := batch.chat(index)) is None:
        return
    tx = batch.tx
    deleted = value.deleteChatAction if value.HasField("deleteChatAction") else value.clearChatAction
    seconds = deleted.messageRange.lastMessageTimestamp
    # the last second counts as a whole: phones tell whole seconds
    until = _bounded(seconds * 1000 + 999) if seconds else _moment(value)
    sql.hide_until(tx, tx.workspace_id, chat["id"], until, utc_now())
    newest.recompute(tx, tx.workspace_id, chat["id"])
    if chat["last_message_at"] is not None and chat["last_message_at"] <= until:
        values = {"last_message_at": None, "unread_count": 0, "marked_unread": False}
        repository.change_chat(tx, tx.workspace_id, chat["id"], values)
        chat.update(values)
    events.append(tx, "chat.updated", {"chat_id": str(chat["id"]), "emptied": True}, account_id=batch.account_id)


def _label(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    if not index or not 0 < len(index[0]) <= 16:
        return
    tx, known, edit = batch.tx, batch.labels.get(index[0]), value.labelEditAction
    if edit.deleted:
        if known is None:
            return
        sql.delete_label(tx, tx.workspace_id, known["id"])
        del batch.labels[index[0]]
    else:
        name = edit.name.replace("\x00", "\ufffd")[:_LABEL_NAME] or index[0]
        if known is not None and (known["name"], known["colour"]) == (name, edit.color):
            return
        label_id = known["id"] if known is not None else uuid7()
        row = {"id": label_id, "workspace_id": tx.workspace_id, "account_id": batch.account_id}
        row |= {"wa_label_id": index[0], "name": name, "colour": edit.color}
        sql.put_label(tx, row)
        batch.labels[index[0]] = row
    events.append(tx, "labels.updated", {"wa_label_id": index[0]}, account_id=batch.account_id)


def _label_chat(batch: Batch, index: Sequence[str], value: SyncActionValue) -> None:
    chat, label = batch.chat(index, 1), batch.labels.get(index[0]) if index else None
    if chat is None or label is None:
        return
    tx, key, labelled = batch.tx, (chat["id"], label["id"]), value.labelAssociationAction.labeled
    if labelled == (key in batch.carried):
        return
    if labelled:
        own = {"id": uuid7(), "workspace_id": tx.workspace_id, "chat_id": chat["id"], "label_id": label["id"]}
        sql.attach_label(tx, own)
        batch.carried.add(key)
    else:
        sql.detach_label(tx, tx.workspace_id, *key)
        batch.carried.discard(key)
    tell_chat(tx, chat, {}, labels=True)


def _moment(value: SyncActionValue) -> dt.datetime:
    return _bounded(value.timestamp) if value.timestamp > 0 else utc_now()


def _bounded(milliseconds: int) -> dt.datetime:
    """Return a moment that a calendar has, whatever the phone says."""
    try:
        return min(from_unix_ms(milliseconds), FOREVER)
    except (OverflowError, ValueError, OSError):
        return FOREVER


_HANDLERS: dict[str, Callable[[Batch, Sequence[str], SyncActionValue], None]] = {
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
