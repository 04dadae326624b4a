"""What the settings of one unit are about, looked up at once: people, chats, messages, labels."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from blazz import events
from blazz._generated.wa.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionValue
from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.messaging import repository
from blazz.messaging.addresses import lid_of, phone_of, without_device
from blazz.messaging.repository import state as sql
from blazz.messaging.settings import tell_chat

_CHAT_AT = {"label_jid": 2}
"""Where in an index the chat stands; in all others it is the second part."""
_NO_CHAT = frozenset({"contact", "label_edit"})
_OF_MESSAGES = frozenset({"star", "deleteMessageForMe"})


class Batch:
    """Rows by what the indexes of settings name, kept as they are after each change."""

    def __init__(
        self, tx: Tx, account_id: uuid.UUID, changes: Sequence[tuple[tuple[str, ...], SyncActionValue]]
    ) -> None:
        self.tx = tx
        self.account_id = account_id
        addresses: list[str] = []
        ids: set[str] = set()
        for index, value in changes:
            at = _CHAT_AT.get(index[0], 1)
            if index[0] == "contact":
                addresses += addresses_of_contact(index[1:], value)
            elif index[0] not in _NO_CHAT and len(index) > at:
                addresses.append(index[at])
            if index[0] in _OF_MESSAGES and len(index) > 2:
                ids.add(index[2])
        names = list(dict.fromkeys(without_device(address) for address in addresses if "@" in address))
        people = contacts.find_many(tx, [(phone_of(name), lid_of(name)) for name in names]) if names else []
        self._contacts = dict(zip(names, people, strict=True))
        self._chats = self._find_chats(names)
        chat_ids = {chat["id"] for chat in self._chats.values()}
        self._messages = {}
        if ids and chat_ids:
            for row in sql.messages_of_chats(tx, tx.workspace_id, chat_ids, ids):
                self._messages[row["chat_id"], row["wa_message_id"], row["from_me"]] = dict(row)
        self.names: dict[str, str] = {}
        """Names of the address book by address, whether they are contacts here or not."""
        self.labels: dict[str, dict[str, Any]] = {}
        self.carried: set[tuple[uuid.UUID, uuid.UUID]] = set()
        if any(index[0] in ("label_edit", "label_jid") for index, _ in changes):
            self.labels = {row["wa_label_id"]: dict(row) for row in sql.all_labels(tx, tx.workspace_id, account_id)}
            found = sql.labels_of_chats(tx, tx.workspace_id, chat_ids) if chat_ids else ()
            self.carried = {(row["chat_id"], row["id"]) for row in found}

    def _find_chats(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        tx = self.tx
        people = {contact for contact in self._contacts.values() if contact is not None}
        rows = sql.chats_of(tx, tx.workspace_id, self.account_id, people, names) if names else ()
        chats = [dict(row) for row in rows]
        by_contact = {chat["contact_id"]: chat for chat in chats if chat["contact_id"] is not None}
        by_address = {chat["address"]: chat for chat in chats}
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            chat = by_contact.get(self._contacts[name]) or by_address.get(name)
            if chat is not None:
                found[name] = chat
        return found

    def contact(self, address: str) -> uuid.UUID | None:
        """Return the contact that an address belongs to."""
        return self._contacts.get(without_device(address)) if "@" in address else None

    def chat(self, index: Sequence[str], at: int = 0) -> dict[str, Any] | None:
        """Return the chat that stands at this place of an index, if it is here."""
        return self._chats.get(without_device(index[at])) if len(index) > at and "@" in index[at] else None

    def message(self, index: Sequence[str]) -> dict[str, Any] | None:
        """Return the message that `chat, id, from_me, author` names, if it is here."""
        chat = self.chat(index)
        return None if chat is None or len(index) < 4 else self._messages.get((chat["id"], index[1], index[2] == "1"))

    def set_chat(self, chat: dict[str, Any], values: dict[str, Any]) -> None:
        """Change a chat and tell of it, as far as something is another now."""
        changed = {name: value for name, value in values.items() if (chat[name] or None) != (value or None)}
        if changed:
            repository.change_chat(self.tx, chat["workspace_id"], chat["id"], changed)
            chat.update(changed)
            tell_chat(self.tx, chat, changed)

    def set_message(self, row: dict[str, Any], columns: dict[str, Any], event: str, told: dict[str, Any]) -> None:
        """Change a message and tell of it."""
        repository.change_message(self.tx, row["workspace_id"], row["id"], columns)
        row.update(columns)
        data = {"message_id": str(row["id"]), "chat_id": str(row["chat_id"]), **told}
        events.append(self.tx, event, data, account_id=self.account_id)


def addresses_of_contact(index: Sequence[str], value: SyncActionValue) -> list[str]:
    """Return every address that an entry of the address book gives; `index` is what follows its kind."""
    action = value.contactAction
    return [one for one in (*index[:1], action.lidJID, action.pnJID) if one]
