"""What a message kind is: one module that reads and writes one part of WhatsApp's message."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import ContextInfo, Message

SECRET_BYTES = 32  # the length that WhatsApp's clients use for messageContextInfo.messageSecret


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
    """What is known of the file of an outgoing message."""

    mime_type: str
    filename: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply answers."""

    wa_message_id: str
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message in our terms. `content` holds what the kind needs beyond the body."""

    kind: str
    body: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    media: MediaReference | None = None
    quoted_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a kind needs to write a message."""

    body: str | None
    content: Mapping[str, Any]
    quote: Quote | None = None
    media: MediaFacts | None = None
    uploaded: Uploaded | None = None


class Kind(Protocol):
    """One kind."""

    @property
    def name(self) -> str:
        """The name in the API and in rows."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of WhatsApp's message that hold this kind."""

    @property
    def media_class(self) -> str | None:
        """The engine's class of keys; None for a kind without a file."""

    def decode(self, message: Message, field: str) -> Decoded:
        """Read the kind's field of `message`."""

    def encode(self, outgoing: Outgoing) -> Message:
        """Write a message, without the parts that all kinds share."""


def quoted_id(context: ContextInfo) -> str | None:
    """Return the id of the message that `context` quotes."""
    return context.stanzaID or None


def quote_context(quote: Quote) -> ContextInfo:
    """Return the context of a reply: id, author and a shortened text of the quoted message."""
    return ContextInfo(
        stanzaID=quote.wa_message_id,
        participant=quote.author,
        quotedMessage=Message(conversation=quote.text[:1024]),
    )


def seal_message(message: Message) -> bytes:
    """Add what every message of a current client carries, and serialise."""
    message.messageContextInfo.messageSecret = secrets.token_bytes(SECRET_BYTES)
    return message.SerializeToString()
