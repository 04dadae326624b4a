"""The message kinds: one module each, found by name (API, rows) and by field (WhatsApp's message)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.audio import Audio
from blazz.messaging.kinds.base import (
    Decoded,
    Kind,
    MediaFacts,
    MediaReference,
    Outgoing,
    Quote,
    Uploaded,
    seal_message,
)
from blazz.messaging.kinds.document import Document
from blazz.messaging.kinds.image import Image
from blazz.messaging.kinds.text import Text
from blazz.messaging.kinds.video import Video

UNSUPPORTED = "unsupported"
_ALL: tuple[Kind, ...] = (Text(), Image(), Video(), Audio(), Document())
BY_NAME: dict[str, Kind] = {kind.name: kind for kind in _ALL}
_BY_FIELD: dict[str, Kind] = {field: kind for kind in _ALL for field in kind.fields}

# Envelopes around the real message, by the field that holds it.
_WRAPPERS = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "groupMentionedMessage",
)
# Fields that accompany a message and are none themselves.
_COMPANIONS = frozenset(
    {"messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage"}
)
# Protocol messages that a person would notice; the others (keys, history notices, ...) are not messages at all.
_VISIBLE_PROTOCOL = frozenset({0, 14})  # REVOKE, MESSAGE_EDIT


def decode(raw: bytes) -> Decoded | None:
    """Return the message in our terms; None when it holds nothing for people. Raises ValueError when it is damaged."""
    try:
        message = unwrap(Message.FromString(raw))
    except DecodeError as error:
        raise ValueError("not a WhatsApp message") from error
    present = [descriptor.name for descriptor, _ in message.ListFields()]
    for field in present:
        kind = _BY_FIELD.get(field)
        if kind is not None:
            return kind.decode(message, field)
    rest = [field for field in present if field not in _COMPANIONS]
    if not rest:
        return None
    if rest == ["protocolMessage"] and int(message.protocolMessage.type) not in _VISIBLE_PROTOCOL:
        return None
    return Decoded(UNSUPPORTED, None, {"kind": rest[0]})


def unwrap(message: Message) -> Message:
    """Return the innermost message of an envelope (at most four deep)."""
    for _ in range(4):
        if message.HasField("deviceSentMessage"):
            message = message.deviceSentMessage.message
            continue
        wrapper = next((name for name in _WRAPPERS if message.HasField(name)), None)
        if wrapper is None:
            return message
        message = getattr(message, wrapper).message
    return message


def encode(name: str, outgoing: Outgoing) -> bytes:
    """Return the exact bytes to send for a kind. Raises KeyError for a kind that cannot be sent."""
    return seal_message(BY_NAME[name].encode(outgoing))


__all__ = [
    "BY_NAME",
    "UNSUPPORTED",
    "Decoded",
    "Kind",
    "MediaFacts",
    "MediaReference",
    "Outgoing",
    "Quote",
    "Uploaded",
    "decode",
    "encode",
    "unwrap",
]
