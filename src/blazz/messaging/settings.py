"""Settings that a number shares with its phone, written from here: archive, pin, mute, unread, labels, stars.

What is set takes effect here at once; the phone follows when it can be reached.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz._generated.wa.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionMessageRange, SyncActionValue
from blazz.kit.db import Tx
from blazz.kit.errors import FieldError, conflict, invalid, not_found
from blazz.kit.ids import uuid7
from blazz.kit.time import to_unix_ms, utc_now
from blazz.messaging import repository, requests
from blazz.messaging.feeds import feed_kind
from blazz.messaging.history_model import FOREVER
from blazz.messaging.repository import history as history_sql
from blazz.messaging.repository import state as sql
from blazz.messaging.requests import Mutation
from blazz.messaging.state_schemas import ChatChange

# WhatsApp's collections, and the schema versions that its clients of today write.
LOW, HIGH, REGULAR = "regular_low", "regular_high", "regular"
_ARCHIVE, _PIN, _MARK, _MUTE, _STAR, _DELETE, _LABEL = 3, 5, 3, 2, 2, 3, 3
_MAX_LABELS = 20  # WhatsApp's own limit is 20 labels


def change_chat(tx: Tx, chat_id: uuid.UUID, change: ChatChange) -> None:
    """Set what `change` names. Raises BlazzError `not_found`, `label_unknown` (422), `chat_empty` (409)."""
    events.see_all_rows(tx, tx.workspace_id)
    chat = repository.find_chat(tx, tx.workspace_id, chat_id, for_update=True)
    if chat is None:
        raise not_found("chat")
    asked = change.model_fields_set
    values: dict[str, Any] = {}
    if "archived" in asked and bool(chat["archived"]) != change.archived:
        values["archived"] = change.archived
        if change.archived:
            values["pinned_at"] = None  # as phones do
    if "pinned" in asked and bool(chat["pinned_at"]) != change.pinned:
        values["pinned_at"] = utc_now() if change.pinned else None
    if "muted_until" in asked:
        until = min(change.muted_until, FOREVER) if change.muted_until else None
        if until is not None and until <= utc_now():
            until = None
        values["muted_until"] = until
    if "unread" in asked:
        values |= {"marked_unread": True} if change.unread else {"marked_unread": False, "unread_count": 0}
    told = {name: value for name, value in values.items() if chat[name] != value}
    if told:
        repository.change_chat(tx, tx.workspace_id, chat_id, told)
        _tell_phone(tx, chat, told)
    labels = _set_labels(tx, chat, change.labels) if change.labels is not None else False
    if told or labels:
        tell_chat(tx, chat, told, labels=labels)


def unmark(tx: Tx, chat: RowMapping) -> None:
    """End that a chat is marked as unread: somebody has looked at it."""
    repository.change_chat(tx, chat["workspace_id"], chat["id"], {"marked_unread": False})
    _tell_phone(tx, chat, {"marked_unread": False})
    tell_chat(tx, chat, {"marked_unread": False})


def chats_with_label(tx: Tx, label_id: uuid.UUID) -> Any:
    """Return a SELECT of the ids of chats that carry a label of this workspace."""
    return sql.chats_with_label(tx.workspace_id, label_id)


def chat_labels(tx: Tx, chat_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[RowMapping]]:
    """Return the labels of chats, by name; one statement for any number of them."""
    found: dict[uuid.UUID, list[RowMapping]] = {}
    for row in sql.labels_of_chats(tx, tx.workspace_id, chat_ids) if chat_ids else ():
        found.setdefault(row["chat_id"], []).append(row)
    return found


def tell_chat(
    tx: Tx, chat: Mapping[str, Any] | RowMapping, changed: Mapping[str, Any], *, labels: bool = False
) -> None:
    """Append `chat.updated` with the settings that have changed, by their names in the API."""
    data: dict[str, Any] = {"chat_id": str(chat["id"])}
    if "archived" in changed:
        data["archived"] = bool(changed["archived"])
    if "pinned_at" in changed:
        data["pinned"] = changed["pinned_at"] is not None
    if "muted_until" in changed:
        data["muted_until"] = changed["muted_until"].isoformat() if changed["muted_until"] else None
    if "marked_unread" in changed:
        data["marked_unread"] = bool(changed["marked_unread"])
    if "unread_count" in changed:
        data["unread_count"] = changed["unread_count"]
    if labels:
        data["labels"] = [str(row["id"]) for row in sql.labels_of_chats(tx, chat["workspace_id"], [chat["id"]])]
    events.append(tx, "chat.updated", data, workspace_id=chat["workspace_id"], account_id=chat["account_id"])


def star(tx: Tx, message_id: uuid.UUID, *, starred: bool) -> None:
    """Star a message, or no longer; the phone follows. Raises BlazzError `not_found`."""
    events.see_all_rows(tx, tx.workspace_id)
    row = repository.find_message(tx, tx.workspace_id, message_id, for_update=True)
    if row is None or row["target_wa_id"] is not None:
        raise not_found("message")
    if (row["starred_at"] is not None) == starred:
        return
    repository.change_message(tx, tx.workspace_id, message_id, {"starred_at": utc_now() if starred else None})
    chat = _chat_of(tx, row)
    value = SyncActionValue()
    value.starAction.starred = starred
    index = ("star", *_message_index(row, chat))
    requests.write_state(tx, row["account_id"], HIGH, [Mutation(index, _STAR, value)])
    _tell_message(tx, row, {"starred": starred})


def hide(tx: Tx, row: Mapping[str, Any] | RowMapping) -> None:
    """Tell the phone that a message was deleted for us only; the row itself is the caller's."""
    chat = _chat_of(tx, row)
    value = SyncActionValue()
    value.deleteMessageForMeAction.deleteMedia = True
    value.deleteMessageForMeAction.messageTimestamp = to_unix_ms(row["timestamp"]) // 1000
    index = ("deleteMessageForMe", *_message_index(row, chat))
    requests.write_state(tx, row["account_id"], HIGH, [Mutation(index, _DELETE, value)])


def _tell_message(tx: Tx, row: Mapping[str, Any] | RowMapping, changed: dict[str, Any]) -> None:
    events.append(
        tx,
        "message.updated",
        {"message_id": str(row["id"]), "chat_id": str(row["chat_id"]), **changed},
        workspace_id=row["workspace_id"],
        account_id=row["account_id"],
    )


def _chat_of(tx: Tx, row: Mapping[str, Any] | RowMapping) -> RowMapping:
    chat = repository.find_chat(tx, row["workspace_id"], row["chat_id"])
    assert chat is not None, "a message belongs to a chat"
    return chat


def _message_index(row: Mapping[str, Any] | RowMapping, chat: RowMapping) -> tuple[str, str, str, str]:
    """Return the rest of an index that names a message; the author only in groups."""
    author = row["author"] if chat["kind"] == "group" and not row["from_me"] else "0"
    return chat["address"], row["wa_message_id"], "1" if row["from_me"] else "0", author


def _tell_phone(tx: Tx, chat: RowMapping, changed: Mapping[str, Any]) -> None:
    """Queue what the phone must hear: one patch for each setting, as phones write them. Of feeds it hears nothing."""
    if feed_kind(chat["address"]) is not None:
        return
    address, account_id = chat["address"], chat["account_id"]
    if "archived" in changed:
        value = SyncActionValue()
        value.archiveChatAction.archived = changed["archived"]
        value.archiveChatAction.messageRange.CopyFrom(_range(tx, chat))
        mutations = [Mutation(("archive", address), _ARCHIVE, value)]
        if changed["archived"]:
            mutations.append(_pin(address, pinned=False))
        requests.write_state(tx, account_id, LOW, mutations)
    if "pinned_at" in changed and not changed.get("archived"):
        requests.write_state(tx, account_id, LOW, [_pin(address, pinned=changed["pinned_at"] is not None)])
    if "marked_unread" in changed or changed.get("unread_count") == 0:
        value = SyncActionValue()
        value.markChatAsReadAction.read = not changed.get("marked_unread")
        value.markChatAsReadAction.messageRange.CopyFrom(_range(tx, chat))
        requests.write_state(tx, account_id, LOW, [Mutation(("markChatAsRead", address), _MARK, value)])
    if "muted_until" in changed:
        until = changed["muted_until"]
        value = SyncActionValue()
        value.muteAction.muted = until is not None
        if until is not None:
            value.muteAction.muteEndTimestamp = -1 if until == FOREVER else to_unix_ms(until)
        requests.write_state(tx, account_id, HIGH, [Mutation(("mute", address), _MUTE, value)])


def _pin(address: str, *, pinned: bool) -> Mutation:
    value = SyncActionValue()
    value.pinAction.pinned = pinned
    return Mutation(("pin_v1", address), _PIN, value)


def _range(tx: Tx, chat: RowMapping) -> SyncActionMessageRange:
    """Return the newest message of a chat, up to which a setting holds."""
    found = SyncActionMessageRange()
    row = None
    if chat["last_message_id"] is not None:
        row = repository.find_message(tx, chat["workspace_id"], chat["last_message_id"])
    seconds = to_unix_ms(row["timestamp"] if row is not None else utc_now()) // 1000
    found.lastMessageTimestamp = seconds
    if row is not None:
        entry = found.messages.add(timestamp=seconds)
        entry.key.remoteJID, entry.key.fromMe, entry.key.ID = chat["address"], row["from_me"], row["wa_message_id"]
        if chat["kind"] == "group" and row["author"]:
            entry.key.participant = row["author"]
    return found


def _set_labels(tx: Tx, chat: RowMapping, wanted: Collection[uuid.UUID]) -> bool:
    """Let a chat carry exactly these labels of its number; returns whether something has changed."""
    if len(set(wanted)) > _MAX_LABELS:
        raise invalid(f"A chat has at most {_MAX_LABELS} labels.", code="too_many_labels")
    found = {row["id"]: row for row in sql.labels_by_id(tx, tx.workspace_id, wanted)} if wanted else {}
    if any(label not in found or found[label]["account_id"] != chat["account_id"] for label in wanted):
        text = "This number has no such label."
        raise invalid(text, code="label_unknown", errors=[FieldError("labels", text, "not_found")])
    had = {row["id"]: row for row in sql.labels_of_chats(tx, tx.workspace_id, [chat["id"]])}
    for label_id in set(found) - set(had):
        sql.attach_label(tx, _attached(chat, label_id))
    for label_id in set(had) - set(found):
        sql.detach_label(tx, tx.workspace_id, chat["id"], label_id)
    changed = [(row, True) for key, row in found.items() if key not in had]
    changed += [(row, False) for key, row in had.items() if key not in found]
    for row, labelled in changed:
        value = SyncActionValue()
        value.labelAssociationAction.labeled = labelled
        index = ("label_jid", row["wa_label_id"], chat["address"])
        requests.write_state(tx, chat["account_id"], REGULAR, [Mutation(index, _LABEL, value)])
    return bool(changed)


def _attached(chat: Mapping[str, Any] | RowMapping, label_id: uuid.UUID) -> dict[str, Any]:
    return {"id": uuid7(), "workspace_id": chat["workspace_id"], "chat_id": chat["id"], "label_id": label_id}


def labels_page(tx: Tx, account_id: uuid.UUID | None) -> Sequence[RowMapping]:
    """Return the labels of the workspace, or of one number."""
    return sql.all_labels(tx, tx.workspace_id, account_id)


def ask_older(tx: Tx, chat_id: uuid.UUID, count: int) -> dict[str, Any]:
    """Have the phone asked for messages before the oldest one that is here.

    Raises BlazzError `not_found`, `chat_empty` (409) when there is no message to begin at.
    """
    chat = repository.find_chat(tx, tx.workspace_id, chat_id)
    if chat is None:
        raise not_found("chat")
    oldest = history_sql.oldest_message(tx, tx.workspace_id, chat_id)
    if oldest is None:
        raise conflict("chat_empty", "This chat has no message yet from which the phone could look back.")
    at: dt.datetime = oldest["timestamp"]
    body = {
        "chat": chat["address"],
        "oldest_id": oldest["wa_message_id"],
        "oldest_from_me": oldest["from_me"],
        "oldest_at_ms": to_unix_ms(at),
        "count": count,
    }
    requests.ask_older(tx, chat["account_id"], chat_id, body)
    return body
