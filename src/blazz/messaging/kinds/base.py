"""What a message kind is: one module that reads, writes and shows one part of WhatsApp's message.

What all kinds share (quotes, mentions, forwarding, view once, disappearing messages) is in `envelope`; a kind never
looks at it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from sqlalchemy import RowMapping

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.errors import BlazzError, FieldError, invalid
from blazz.kit.http import Model
from blazz.kit.time import to_unix_ms
from blazz.messaging.kinds.envelope import NO_ENVELOPE, Envelope, Quote

Content = Mapping[str, Any]
MediaTask = Literal["image", "sticker", "video", "gif", "note", "audio", "voice"]
OF_ONE_MESSAGE = frozenset({"secret", "client_ref", "context", "target"})
"""What a row's content holds for all kinds, and copies of a message do not take over."""
Row = Mapping[str, Any] | RowMapping


@dataclass(frozen=True, slots=True)
class MediaReference:
    """Where WhatsApp keeps an encrypted file, and what opens it. `media_class` names the engine's class of keys."""

    media_class: str
    direct_path: str
    media_key: bytes
    file_enc_sha256: bytes
    file_sha256: bytes
    file_length: int
    mime_type: str
    filename: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What the upload of a file gave, for the message that will carry it."""

    url: str
    direct_path: str
    media_key: bytes
    file_enc_sha256: bytes
    file_sha256: bytes
    file_length: int


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What is known of the file of an outgoing message. `thumbnail` is a small JPEG.

    `details` may hold `seconds` (float), `waveform` (64 samples of 0 to 100), `pages` and `animated`.
    """

    mime_type: str
    filename: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None
    details: Content = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a change is about, as WhatsApp names it from the change's author's side.

    `from_me`: it was written by the same side as the change. `author` is a device-less address, empty in a direct
    chat. `chat` is the chat's address.
    """

    wa_message_id: str
    from_me: bool
    author: str = ""
    chat: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message in our terms. `content` holds what the kind needs beyond the body; `target` is set for a change."""

    kind: str
    body: str | None = None
    content: Content = field(default_factory=dict)
    media: MediaReference | None = None
    target: Target | None = None
    envelope: Envelope = NO_ENVELOPE

    @property
    def quoted_id(self) -> str | None:
        """The WhatsApp id of the message that this one answers."""
        return self.envelope.quoted_id


@dataclass(frozen=True, slots=True)
class Draft:
    """What a request asks to send, checked. `target_id` is our id of the message that a change is about."""

    body: str | None = None
    content: Content = field(default_factory=dict)
    media_id: uuid.UUID | None = None
    target_id: uuid.UUID | None = None
    local: bool = False  # takes effect here only: nothing is sent
    kind: str | None = None  # when what is stored is another kind than the request names (a forward)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a kind needs to write a message."""

    body: str | None
    content: Content
    quote: Quote | None = None
    media: MediaFacts | None = None
    uploaded: Uploaded | None = None
    target: Target | None = None
    target_kind: str = ""
    target_content: Content = field(default_factory=dict)
    own: tuple[str, ...] = ()  # our own addresses, the LID first; for changes only


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to its target: new values of its columns, and the event that tells of it."""

    event: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    forgets: bool = False  # the texts that earlier changes of the target hold go, too


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a kind may ask of a file that is to be sent."""

    id: uuid.UUID
    mime_type: str
    filename: str | None
    size: int
    width: int | None
    height: int | None
    plain: bool = False  # a picture that is sent as it is


class Lookup(Protocol):
    """What a draft may look up while it is checked: everything is of the sender's workspace and chat."""

    @property
    def is_group(self) -> bool:
        """Whether the chat is a group's."""

    @property
    def is_admin(self) -> bool:
        """Whether our number administers the chat's group."""

    @property
    def timer_s(self) -> int:
        """How long new messages of the chat stay, in seconds; 0 for ever."""

    def message(self, message_id: uuid.UUID, field: str, *, any_chat: bool = False) -> Row:
        """Return the row of a message of the chat, with `any_chat` of the workspace.

        Raises BlazzError `message_not_in_chat` (422) naming `field`, also for what is no message: a notice, a change.
        """

    def file(self, media_id: uuid.UUID) -> FileFacts:
        """Return a file that can be sent; raises BlazzError `not_found`, `media_not_ready`."""

    def fetch(self, url: str, family: str, filename: str | None) -> uuid.UUID:
        """Have a file fetched by its address and return its id. `family`: image, video, audio; application for any.

        Raises BlazzError `url_invalid` (422) for what is no web address.
        """

    def make(self, media_id: uuid.UUID, task: MediaTask) -> None:
        """Have made of a file what `task` says, before the message leaves."""


class Kind:
    """One kind. A kind that changes another message sets `changes` and defines `effect`."""

    name: ClassVar[str]
    """The name in the API and in rows."""
    fields: ClassVar[tuple[str, ...]] = ()
    """Fields of WhatsApp's message that hold this kind."""
    request: ClassVar[Any] = None
    """Type of the content object in requests; None for a kind that is not sent by request."""
    view: ClassVar[Any] = None
    """Type of the content object in answers; None for a kind that is shown as another one."""
    shown_as: ClassVar[str | None] = None
    """The kind that it is shown as, when that is another one."""
    media_class: ClassVar[str | None] = None
    """The engine's class of keys; None for a kind without a file."""
    changes: ClassVar[bool] = False
    """Whether it changes another message and is no message of its own in the chat."""
    names_people: ClassVar[bool] = False
    """Of a change: whether it brings a text, which may name people."""
    final_when_sent: ClassVar[bool] = False
    """Whether what a change of ours replaces is kept only until it is sent."""
    quiet: ClassVar[bool] = False
    """Whether it neither counts as unread nor becomes the chat's newest message."""
    forwards: ClassVar[bool] = False
    """Whether it can be passed on to another chat."""

    def matches(self, message: Message, field: str) -> bool:
        """Tell whether `field` of this message is of this kind, where several kinds share a field."""
        del message, field
        return True

    def decode(self, message: Message, field: str) -> Decoded | None:
        """Read the kind's field of `message`; None when it holds nothing for people."""
        raise NotImplementedError

    def draft(self, content: Any, lookup: Lookup) -> Draft:
        """Check what a request asks for. Raises BlazzError."""
        raise NotImplementedError

    def waits(self, media_id: uuid.UUID | None, content: Content) -> bool:
        """Tell whether something must be fetched or uploaded before the message can be written."""
        del content
        return media_id is not None

    def encode(self, outgoing: Outgoing) -> Message:
        """Write a message, without the parts that all kinds share."""
        raise NotImplementedError

    def show(self, row: Row, file: Any) -> Model | list[Any] | None:
        """Return the content object of an answer. `file` is the summary of the message's file, where it has one."""
        raise NotImplementedError

    def preview(self, body: str | None, content: Content) -> str:
        """Return the line that stands for the message in the list of chats; may be empty."""
        del content
        return body or ""

    def copied(self, content: Content) -> dict[str, Any]:
        """Return the content of a message as a copy in another chat has it."""
        return {key: value for key, value in content.items() if key not in OF_ONE_MESSAGE}

    def asks_for_admin(self, change: Row, target: Row) -> bool:
        """Tell whether only a group's admin may make this change; its content then says `by_admin`."""
        del change, target
        return False

    def effect(self, change: Row, target: Row) -> Effect | None:
        """Return what the row `change` does to the row `target`; None when it may not or does nothing."""
        raise NotImplementedError

    def opened(self, plain: bytes, target: Row) -> Decoded | None:
        """Read a change of `target` that came encrypted with its secret; None when it is damaged."""
        raise NotImplementedError

    def in_time(self, target: Row, now: dt.datetime) -> None:
        """Raise BlazzError when it is too late for this change of `target`."""

    def of_chat(self, content: Content) -> Content:
        """Return the columns of its chat that a message of this kind changes; most change none."""
        del content
        return {}


MOMENT_SLACK_MS = 86_400_000  # how far a sender's clock is believed to be from the server's


def moment(change: Row) -> int:
    """Return when a change was made, in milliseconds since 1970: by its author's clock, where that is believable.

    The server's time has whole seconds, too coarse for the order of one person's changes.
    """
    by_server = to_unix_ms(change["timestamp"])
    by_author = change["content"].get("at", by_server)
    return int(by_author) if abs(by_author - by_server) <= MOMENT_SLACK_MS else by_server


def same_author(change: Row, target: Row) -> bool:
    """Tell whether who made `change` also wrote `target`; both are of one chat."""
    return bool(change["from_me"] == target["from_me"] and (change["from_me"] or _one_person(change, target)))


def _one_person(change: Row, target: Row) -> bool:
    # in a direct chat there is one person, whose address may have been learned between the two
    in_group = (change["content"].get("target") or {}).get("chat", "").endswith("@g.us")
    return bool(change["author"] == target["author"] or not in_group)


def refuse(code: str, text: str, *path: str) -> BlazzError:
    """Return the problem (422) with one field of a request."""
    return invalid(text, code=code, errors=[FieldError(".".join(path), text)] if path else None)
