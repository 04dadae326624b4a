"""Parts of end-to-end messages that have no file: what they point to, places, cards, polls, buttons and answers."""

# The declaring functions return dataclass fields; no default is shared between instances.
# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass

from whatsim.wire.protobuf import Record, blob, blobs, flag, message, messages, real, text, texts, uint


@dataclass(slots=True)
class MessageKey(Record):
    """Points to another message, as the author of the pointing one sees it."""

    chat: str | None = text(1)
    from_me: bool | None = flag(2)
    id: str | None = text(3)
    participant: str | None = text(4)


@dataclass(slots=True)
class ContextInfo(Record):
    """What a message replies to, whom it mentions, and how it came here."""

    stanza_id: str | None = text(1)
    participant: str | None = text(2)
    quoted: bytes | None = blob(3)
    mentioned: list[str] = texts(15)
    forwarding_score: int | None = uint(21)
    is_forwarded: bool | None = flag(22)
    expiration: int | None = uint(25)


@dataclass(slots=True)
class MessageContext(Record):
    """What accompanies a message: its secret, and how long an addition (a pin) holds, in seconds."""

    secret: bytes | None = blob(3)
    addition_s: int | None = uint(5)


@dataclass(slots=True)
class Location(Record):
    """A place."""

    latitude: float | None = real(1)
    longitude: float | None = real(2)
    name: str | None = text(3)
    address: str | None = text(4)
    url: str | None = text(5)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class LiveLocation(Record):
    """Where somebody is; the sequence rises with every move."""

    latitude: float | None = real(1)
    longitude: float | None = real(2)
    accuracy_m: int | None = uint(3)
    caption: str | None = text(6)
    sequence: int | None = uint(7)
    offset_s: int | None = uint(8)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class GroupInvite(Record):
    """An invitation to a group for one person; `expiration` in seconds since 1970."""

    group: str | None = text(1)
    code: str | None = text(2)
    expiration: int | None = uint(3)
    name: str | None = text(4)
    caption: str | None = text(6)
    context: ContextInfo | None = message(7, ContextInfo)


@dataclass(slots=True)
class Contact(Record):
    """A card."""

    name: str | None = text(1)
    vcard: str | None = text(16)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class Contacts(Record):
    """Several cards."""

    name: str | None = text(1)
    contacts: list[Contact] = messages(2, Contact)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class PollOption(Record):
    """Something to vote for."""

    name: str | None = text(1)


@dataclass(slots=True)
class PollCreation(Record):
    """A question with options; `selectable` 0 allows any number of them."""

    question: str | None = text(2)
    options: list[PollOption] = messages(3, PollOption)
    selectable: int | None = uint(4)
    context: ContextInfo | None = message(5, ContextInfo)


@dataclass(slots=True)
class PollVote(Record):
    """SHA-256 of the names of the options that were picked."""

    picked: list[bytes] = blobs(1)


@dataclass(slots=True)
class SealedVote(Record):
    """A vote, encrypted."""

    payload: bytes | None = blob(1)
    iv: bytes | None = blob(2)


@dataclass(slots=True)
class PollUpdate(Record):
    """A vote on a poll."""

    key: MessageKey | None = message(1, MessageKey)
    vote: SealedVote | None = message(2, SealedVote)
    timestamp_ms: int | None = uint(4)


@dataclass(slots=True)
class ReactionMessage(Record):
    """An emoji on a message; empty text takes it back."""

    key: MessageKey | None = message(1, MessageKey)
    text: str | None = text(2)
    timestamp_ms: int | None = uint(4)


@dataclass(slots=True)
class Pin(Record):
    """Pins (1) or unpins (2) a message for everybody."""

    key: MessageKey | None = message(1, MessageKey)
    type: int | None = uint(2)
    timestamp_ms: int | None = uint(3)


@dataclass(slots=True)
class Sealed(Record):
    """A change encrypted with the secret of the message that it changes; type 2 is an edit."""

    key: MessageKey | None = message(1, MessageKey)
    payload: bytes | None = blob(2)
    iv: bytes | None = blob(3)
    type: int | None = uint(4)


@dataclass(slots=True)
class ButtonText(Record):
    """What stands on a button."""

    text: str | None = text(1)


@dataclass(slots=True)
class Button(Record):
    """A button."""

    id: str | None = text(1)
    text: ButtonText | None = message(2, ButtonText)


@dataclass(slots=True)
class Buttons(Record):
    """A question with buttons."""

    body: str | None = text(6)
    footer: str | None = text(7)
    context: ContextInfo | None = message(8, ContextInfo)
    buttons: list[Button] = messages(9, Button)

    @property
    def shown(self) -> str:
        """What a list of chats shows."""
        return self.body or ""


@dataclass(slots=True)
class ButtonsReply(Record):
    """A button that was tapped."""

    id: str | None = text(1)
    title: str | None = text(2)
    context: ContextInfo | None = message(3, ContextInfo)
    type: int | None = uint(4)


@dataclass(slots=True)
class Row(Record):
    """A row of a list."""

    title: str | None = text(1)
    description: str | None = text(2)
    id: str | None = text(3)


@dataclass(slots=True)
class Section(Record):
    """Rows under a title."""

    title: str | None = text(1)
    rows: list[Row] = messages(2, Row)


@dataclass(slots=True)
class ListPicker(Record):
    """A question with a list to pick from."""

    title: str | None = text(1)
    body: str | None = text(2)
    button: str | None = text(3)
    sections: list[Section] = messages(5, Section)
    context: ContextInfo | None = message(8, ContextInfo)

    @property
    def shown(self) -> str:
        """What a list of chats shows."""
        return self.body or self.title or ""


@dataclass(slots=True)
class Picked(Record):
    """The row that was picked."""

    id: str | None = text(1)


@dataclass(slots=True)
class ListReply(Record):
    """An answer to a list."""

    title: str | None = text(1)
    picked: Picked | None = message(3, Picked)
    context: ContextInfo | None = message(4, ContextInfo)
    description: str | None = text(5)


@dataclass(slots=True)
class InteractiveBody(Record):
    """The text of a question."""

    text: str | None = text(1)


@dataclass(slots=True)
class Interactive(Record):
    """A question in the newest form."""

    body: InteractiveBody | None = message(2, InteractiveBody)
    context: ContextInfo | None = message(15, ContextInfo)

    @property
    def shown(self) -> str:
        """What a list of chats shows."""
        return (self.body.text if self.body else None) or ""
