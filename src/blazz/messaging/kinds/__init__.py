"""The message kinds: one module each, found by name (API, rows) and by field (WhatsApp's message)."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.message import DecodeError

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds import envelope
from blazz.messaging.kinds.audio import Audio
from blazz.messaging.kinds.base import (
    Decoded,
    Draft,
    Effect,
    FileFacts,
    Kind,
    Lookup,
    MediaFacts,
    MediaReference,
    MediaTask,
    Outgoing,
    Target,
    Uploaded,
    refuse,
)
from blazz.messaging.kinds.contacts import Contacts
from blazz.messaging.kinds.delete import Delete
from blazz.messaging.kinds.document import Document
from blazz.messaging.kinds.edit import Edit
from blazz.messaging.kinds.envelope import Envelope, Quote
from blazz.messaging.kinds.forward import Forward
from blazz.messaging.kinds.group_invite import GroupInvite
from blazz.messaging.kinds.image import Image
from blazz.messaging.kinds.interactive import Button, Interactive
from blazz.messaging.kinds.location import Location
from blazz.messaging.kinds.pin import Pin
from blazz.messaging.kinds.poll import Poll
from blazz.messaging.kinds.poll_vote import PollVote
from blazz.messaging.kinds.reaction import Reaction
from blazz.messaging.kinds.sticker import Sticker
from blazz.messaging.kinds.system import System
from blazz.messaging.kinds.text import Text
from blazz.messaging.kinds.timer import Timer
from blazz.messaging.kinds.unsupported import UNSUPPORTED, Unsupported
from blazz.messaging.kinds.video import Video

ALL: tuple[Kind, ...] = (
    Text(),
    Image(),
    Video(),
    Audio(),
    Document(),
    Sticker(),
    Location(),
    Contacts(),
    Poll(),
    GroupInvite(),
    Interactive(),
    Button(),
    Reaction(),
    PollVote(),
    Edit(),
    Delete(),
    Pin(),
    Timer(),
    Forward(),
    System(),
    Unsupported(),
)
BY_NAME: dict[str, Kind] = {kind.name: kind for kind in ALL}
SENDABLE: tuple[Kind, ...] = tuple(kind for kind in ALL if kind.request is not None)
SHOWN: tuple[Kind, ...] = tuple(kind for kind in ALL if kind.view is not None)
QUIET: frozenset[str] = frozenset(kind.name for kind in ALL if kind.quiet)
_BY_FIELD: dict[str, list[Kind]] = {}
for _kind in ALL:
    for _field in _kind.fields:
        _BY_FIELD.setdefault(_field, []).append(_kind)

# Fields that accompany a message and are none themselves.
_COMPANIONS = frozenset(
    {"messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage"}
)
# Protocol messages that a person would notice; the others (keys, history notices, ...) are not messages at all.
_VISIBLE_PROTOCOL = frozenset({0, 3, 14})  # REVOKE, EPHEMERAL_SETTING, MESSAGE_EDIT


def decode(raw: bytes) -> Decoded | None:
    """Return the message in our terms; None when it holds nothing for people. Raises ValueError when it is damaged."""
    try:
        message = Message.FromString(raw)
    except DecodeError as error:
        raise ValueError("not a WhatsApp message") from error
    return decode_message(message)


def decode_message(message: Message) -> Decoded | None:
    """Like `decode`, for a message that is parsed already."""
    message, view_once = envelope.unwrap(message)
    present = [descriptor.name for descriptor, _ in message.ListFields()]
    for field in present:
        for kind in _BY_FIELD.get(field, ()):
            if kind.matches(message, field):
                decoded = kind.decode(message, field)
                if decoded is None and kind.changes:
                    break  # a change of nothing in particular
                return decoded and _complete(decoded, message, field, view_once=view_once)
    rest = [field for field in present if field not in _COMPANIONS]
    if not rest:
        return None
    if rest == ["protocolMessage"] and int(message.protocolMessage.type) not in _VISIBLE_PROTOCOL:
        return None
    return Decoded(UNSUPPORTED, None, {"kind": rest[0], **envelope.secret_of(message)})


def _complete(decoded: Decoded, message: Message, field: str, *, view_once: bool) -> Decoded:
    """Add what all kinds have in common."""
    around = envelope.read(message, field, view_once=view_once)
    if decoded.target is not None:
        return replace(decoded, envelope=around)
    return replace(decoded, envelope=around, content={**decoded.content, **envelope.secret_of(message)})


def encode(name: str, outgoing: Outgoing) -> bytes:
    """Return the exact bytes to send for a kind. Raises KeyError for a kind that does not exist."""
    content = outgoing.content
    around, secret = Envelope.of_content(content), envelope.secret_bytes(content)
    return envelope.seal(BY_NAME[name].encode(outgoing), around, outgoing.quote, secret)


def kind_of(name: str) -> Kind:
    """Return the kind of a row; `unsupported` for a name that this release does not know."""
    return BY_NAME.get(name) or BY_NAME[UNSUPPORTED]


__all__ = [
    "ALL",
    "BY_NAME",
    "QUIET",
    "SENDABLE",
    "SHOWN",
    "UNSUPPORTED",
    "Decoded",
    "Draft",
    "Effect",
    "Envelope",
    "FileFacts",
    "Kind",
    "Lookup",
    "MediaFacts",
    "MediaReference",
    "MediaTask",
    "Outgoing",
    "Quote",
    "Target",
    "Uploaded",
    "decode",
    "decode_message",
    "encode",
    "kind_of",
    "refuse",
]
