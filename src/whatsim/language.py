"""What a phone can be told to send beyond texts and files. Everything here is an immutable value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LocationContent:
    """A place; a live one moves with `MoveContent`."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class MoveContent:
    """A new place for a live location of this phone's."""

    message_id: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class ContactsContent:
    """Cards of other simulated phones' owners or of anybody: names and numbers (digits)."""

    cards: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PollContent:
    """A question with 2 to 12 options."""

    question: str
    options: tuple[str, ...]
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class VoteContent:
    """The names of the options that this phone picks; none takes its vote back."""

    message_id: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReactionContent:
    """An emoji for a message; an empty one takes it back."""

    message_id: str
    emoji: str


@dataclass(frozen=True, slots=True)
class EditContent:
    """A new text or caption for a message of this phone.

    `sealed` encrypts it with the message's secret, as newer phones do.
    """

    message_id: str
    body: str
    sealed: bool = True


@dataclass(frozen=True, slots=True)
class DeleteContent:
    """Delete a message for everyone."""

    message_id: str


@dataclass(frozen=True, slots=True)
class PinContent:
    """Pin a message for `seconds`; 0 unpins it."""

    message_id: str
    seconds: int = 604_800


@dataclass(frozen=True, slots=True)
class TimerContent:
    """Let new messages of the chat disappear after `seconds`; 0 lets them stay."""

    seconds: int


@dataclass(frozen=True, slots=True)
class ForwardContent:
    """Send a message of any of this phone's chats on."""

    message_id: str


@dataclass(frozen=True, slots=True)
class AnswerContent:
    """Tap a button (`kind` button) or pick a row (`kind` list) of a message."""

    message_id: str
    id: str
    title: str
    kind: Literal["button", "list"] = "button"


LanguageContent = (
    LocationContent
    | MoveContent
    | ContactsContent
    | PollContent
    | VoteContent
    | ReactionContent
    | EditContent
    | DeleteContent
    | PinContent
    | TimerContent
    | ForwardContent
    | AnswerContent
)
