"""A phone's own synchronised settings: what it and its companions have set, and changes that it makes itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsim.phones.app_state import AppState, state_key_id, state_secret
from whatsim.server.entities import Phone, now
from whatsim.server.stanzas import notification
from whatsim.wire.actions import (
    ActionValue,
    Archive,
    ContactName,
    DeleteChat,
    DeleteForMe,
    LabelEdit,
    LabelUse,
    MarkRead,
    Mute,
    Pin,
    PushNameSetting,
    Star,
)
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, SERVER_JID, USER_SERVER
from whatsim.wire.records import SyncPatch
from whatsim.wire.syncd import Collection, Keys, Setting

if TYPE_CHECKING:
    from whatsim.server.core import Core

log = logging.getLogger(__name__)

CRITICAL_BLOCK, CRITICAL_UNBLOCK, LOW, HIGH, REGULAR = (
    "critical_block",
    "critical_unblock_low",
    "regular_low",
    "regular_high",
    "regular",
)
# Where each kind of setting lives, and the schema version that clients of today write for it.
_KINDS = {
    "setting_pushName": (CRITICAL_BLOCK, 1),
    "contact": (CRITICAL_UNBLOCK, 2),
    "archive": (LOW, 3),
    "pin_v1": (LOW, 5),
    "markChatAsRead": (LOW, 3),
    "mute": (HIGH, 2),
    "star": (HIGH, 2),
    "deleteMessageForMe": (HIGH, 3),
    "deleteChat": (HIGH, 6),
    "label_edit": (REGULAR, 3),
    "label_jid": (REGULAR, 3),
}


@dataclass(slots=True)
class ChatSettings:
    """What a phone has set for one chat. `muted_until_ms` is 0 when it is not muted, -1 for ever."""

    archived: bool = False
    pinned: bool = False
    unread: bool = False
    muted_until_ms: int = 0
    labels: tuple[str, ...] = ()


class PhoneSettings:
    """Reads and writes settings on behalf of phones, which hold the keys."""

    def __init__(self, core: Core, app_state: AppState) -> None:
        self._core = core
        self._app_state = app_state
        self._collections: dict[tuple[int, str], Collection] = {}

    def ensure_push_name(self, phone: Phone) -> None:
        """Write the phone's name as its push name once; clients refuse to send presence without one."""
        if self._app_state.version(phone, CRITICAL_BLOCK) == 0:
            self.push_name(phone, phone.name)

    def push_name(self, phone: Phone, name: str) -> None:
        """Set the name that others see."""
        self._set(phone, ("setting_pushName",), ActionValue(push_name=PushNameSetting(name)))

    def archive(self, phone: Phone, chat: Phone, *, archived: bool) -> None:
        """Put a chat into the archive, or take it out."""
        self._set(phone, ("archive", chat.jid(LID_SERVER)), ActionValue(archive=Archive(archived)))

    def pin(self, phone: Phone, chat: Phone, *, pinned: bool) -> None:
        """Keep a chat on top, or no longer."""
        self._set(phone, ("pin_v1", chat.jid(LID_SERVER)), ActionValue(pin=Pin(pinned)))

    def mute(self, phone: Phone, chat: Phone, until_ms: int) -> None:
        """Silence a chat until a moment; 0 ends it, -1 is for ever."""
        value = Mute(until_ms != 0, until_ms or None)
        self._set(phone, ("mute", chat.jid(LID_SERVER)), ActionValue(mute=value))

    def mark(self, phone: Phone, chat: Phone, *, read: bool) -> None:
        """Mark a chat as read or unread."""
        self._set(phone, ("markChatAsRead", chat.jid(LID_SERVER)), ActionValue(mark_read=MarkRead(read)))

    def name_contact(self, phone: Phone, person: Phone, name: str) -> None:
        """Write a name into the address book."""
        value = ContactName(name, name.partition(" ")[0], person.jid(LID_SERVER))
        self._set(phone, ("contact", person.jid(USER_SERVER)), ActionValue(contact=value))

    def edit_label(self, phone: Phone, label: str, name: str, colour: int, *, deleted: bool = False) -> None:
        """Make, rename or delete a label."""
        self._set(phone, ("label_edit", label), ActionValue(label=LabelEdit(name, colour, deleted)))

    def label_chat(self, phone: Phone, chat: Phone, label: str, *, labelled: bool) -> None:
        """Put a label on a chat, or take it off."""
        self._set(phone, ("label_jid", label, chat.jid(LID_SERVER)), ActionValue(label_use=LabelUse(labelled)))

    def star(self, phone: Phone, chat: Phone, message_id: str, *, from_me: bool, starred: bool) -> None:
        """Star a message, or no longer."""
        index = ("star", chat.jid(LID_SERVER), message_id, "1" if from_me else "0", "0")
        self._set(phone, index, ActionValue(star=Star(starred)))

    def delete_for_me(self, phone: Phone, chat: Phone, message_id: str, *, from_me: bool) -> None:
        """Remove a message from the own devices."""
        index = ("deleteMessageForMe", chat.jid(LID_SERVER), message_id, "1" if from_me else "0", "0")
        self._set(phone, index, ActionValue(delete_for_me=DeleteForMe(delete_media=False)))

    def delete_chat(self, phone: Phone, chat: Phone) -> None:
        """Remove a chat from the own devices."""
        self._set(phone, ("deleteChat", chat.jid(LID_SERVER), "1"), ActionValue(delete_chat=DeleteChat()))

    def of_chat(self, phone: Phone, number: str) -> ChatSettings:
        """Return what is set for a chat, whoever has set it."""
        chat = self._core.world.by_number.get(number)
        found = ChatSettings()
        names = {f"{number}@{USER_SERVER}"} | ({chat.jid(LID_SERVER)} if chat is not None else set())
        labels = []
        for index, value in self.all(phone).items():
            match index:
                case ("archive", jid) if jid in names:
                    found.archived = bool(value.archive and value.archive.archived)
                case ("pin_v1", jid) if jid in names:
                    found.pinned = bool(value.pin and value.pin.pinned)
                case ("markChatAsRead", jid) if jid in names:
                    found.unread = value.mark_read is not None and value.mark_read.read is False
                case ("mute", jid) if jid in names and value.mute is not None and value.mute.muted:
                    end = value.mute.end or -1
                    found.muted_until_ms = -1 if end >= 1 << 63 else end
                case ("label_jid", label, jid) if jid in names and value.label_use and value.label_use.labelled:
                    labels.append(label)
        found.labels = tuple(sorted(labels))
        return found

    def starred(self, phone: Phone) -> set[str]:
        """Return the ids of starred messages."""
        return {
            index[2]
            for index, value in self.all(phone).items()
            if index[0] == "star" and value.star and value.star.starred
        }

    def all(self, phone: Phone) -> dict[tuple[str, ...], ActionValue]:
        """Return every setting of a phone by its index."""
        found: dict[tuple[str, ...], ActionValue] = {}
        for name in (CRITICAL_BLOCK, CRITICAL_UNBLOCK, LOW, HIGH, REGULAR):
            for index, value in self._read(phone, name).settings.items():
                found[index] = ActionValue.decode(value)
        return found

    def _set(self, phone: Phone, index: tuple[str, ...], value: ActionValue) -> None:
        name, version = _KINDS[index[0]]
        value.timestamp = int(now() * 1000)
        collection = self._read(phone, name)
        patch = collection.write([Setting(index, version, value.encode())])
        new_version = self._app_state.append(phone, name, patch.encode())
        change = Node("collection", {"name": name, "version": str(new_version)})
        for device in phone.devices.values():
            if device.greeted:
                self._core.router.push(device, notification("server_sync", SERVER_JID, [change]))

    def _read(self, phone: Phone, name: str) -> Collection:
        """Return a collection up to date. A patch that cannot be read ends the reading, and is counted."""
        key = (phone.id, name)
        collection = self._collections.get(key)
        if collection is None:
            collection = Collection(name, Keys.of(state_secret(phone)), state_key_id(phone))
            self._collections[key] = collection
        for data in self._app_state.patches(phone, name, collection.version):
            try:
                collection.apply(SyncPatch.decode(data))
            except WireError as error:
                log.warning("The phone %s cannot read a patch of %s: %s", phone.number, name, error)
                self._core.counters.count_unknown(f"patch of {name} that its phone cannot read")
                break
        return collection
