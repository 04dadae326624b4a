"""Values of synchronised settings, with the fields that simulated phones read or write."""

# The declaring functions return dataclass fields; no default is shared between instances.
# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass

from whatsim.wire.protobuf import Record, flag, message, text, uint


@dataclass(slots=True)
class Star(Record):
    """A message is starred."""

    starred: bool | None = flag(1)


@dataclass(slots=True)
class ContactName(Record):
    """A name of the address book."""

    full_name: str | None = text(1)
    first_name: str | None = text(2)
    lid_jid: str | None = text(3)


@dataclass(slots=True)
class Mute(Record):
    """A chat is silent until `end` (milliseconds since 1970, -1 for ever)."""

    muted: bool | None = flag(1)
    end: int | None = uint(2)


@dataclass(slots=True)
class Pin(Record):
    """A chat stays on top."""

    pinned: bool | None = flag(1)


@dataclass(slots=True)
class PushNameSetting(Record):
    """The name that contacts without an address book entry see."""

    name: str | None = text(1)


@dataclass(slots=True)
class LabelEdit(Record):
    """A label is made, renamed or deleted; `colour` is a number of WhatsApp's palette."""

    name: str | None = text(1)
    colour: int | None = uint(2)
    deleted: bool | None = flag(4)


@dataclass(slots=True)
class LabelUse(Record):
    """A chat or message carries a label."""

    labelled: bool | None = flag(1)


@dataclass(slots=True)
class Archive(Record):
    """A chat is archived."""

    archived: bool | None = flag(1)


@dataclass(slots=True)
class DeleteForMe(Record):
    """A message is gone on the own devices only."""

    delete_media: bool | None = flag(1)


@dataclass(slots=True)
class MarkRead(Record):
    """A chat is marked as read, or as unread."""

    read: bool | None = flag(1)


@dataclass(slots=True)
class DeleteChat(Record):
    """A chat and its messages are gone."""


@dataclass(slots=True)
class ActionValue(Record):
    """The plain value of a setting; the timestamp is in milliseconds."""

    timestamp: int | None = uint(1)
    star: Star | None = message(2, Star)
    contact: ContactName | None = message(3, ContactName)
    mute: Mute | None = message(4, Mute)
    pin: Pin | None = message(5, Pin)
    push_name: PushNameSetting | None = message(7, PushNameSetting)
    label: LabelEdit | None = message(14, LabelEdit)
    label_use: LabelUse | None = message(15, LabelUse)
    archive: Archive | None = message(17, Archive)
    delete_for_me: DeleteForMe | None = message(18, DeleteForMe)
    mark_read: MarkRead | None = message(20, MarkRead)
    delete_chat: DeleteChat | None = message(22, DeleteChat)
