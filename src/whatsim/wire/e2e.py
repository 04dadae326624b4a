"""End-to-end message contents: the kinds which simulated phones write, and what they read out of any kind."""

# The declaring functions return dataclass fields; no default is shared between instances.
# ruff: noqa: RUF009

from __future__ import annotations

import os
from dataclasses import dataclass

from whatsim.model import MessageType
from whatsim.wire.errors import WireError
from whatsim.wire.protobuf import Record, blob, flag, message, messages, packed_uints, text, uint
from whatsim.wire.records import Blob

TYPE_KEY_SHARE = 6
TYPE_KEY_REQUEST = 7
_MAX_WRAPPERS = 6


@dataclass(slots=True)
class MessageKey(Record):
    """Points to another message."""

    chat: str | None = text(1)
    from_me: bool | None = flag(2)
    id: str | None = text(3)
    participant: str | None = text(4)


@dataclass(slots=True)
class ContextInfo(Record):
    """What a message replies to."""

    stanza_id: str | None = text(1)
    participant: str | None = text(2)
    quoted: bytes | None = blob(3)


@dataclass(slots=True)
class ImageMessage(Record):
    """A picture on the media host."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    caption: str | None = text(3)
    file_sha256: bytes | None = blob(4)
    file_length: int | None = uint(5)
    height: int | None = uint(6)
    width: int | None = uint(7)
    media_key: bytes | None = blob(8)
    file_enc_sha256: bytes | None = blob(9)
    direct_path: str | None = text(11)
    media_key_timestamp: int | None = uint(12)
    thumbnail: bytes | None = blob(16)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class VideoMessage(Record):
    """A video on the media host."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    file_sha256: bytes | None = blob(3)
    file_length: int | None = uint(4)
    media_key: bytes | None = blob(6)
    caption: str | None = text(7)
    height: int | None = uint(9)
    width: int | None = uint(10)
    file_enc_sha256: bytes | None = blob(11)
    direct_path: str | None = text(13)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class AudioMessage(Record):
    """A voice note or other sound on the media host."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    file_sha256: bytes | None = blob(3)
    file_length: int | None = uint(4)
    media_key: bytes | None = blob(7)
    file_enc_sha256: bytes | None = blob(8)
    direct_path: str | None = text(9)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class DocumentMessage(Record):
    """A file on the media host."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    title: str | None = text(3)
    file_sha256: bytes | None = blob(4)
    file_length: int | None = uint(5)
    media_key: bytes | None = blob(7)
    file_name: str | None = text(8)
    file_enc_sha256: bytes | None = blob(9)
    direct_path: str | None = text(10)
    context: ContextInfo | None = message(17, ContextInfo)
    caption: str | None = text(20)


@dataclass(slots=True)
class StickerMessage(Record):
    """A sticker on the media host."""

    url: str | None = text(1)
    file_sha256: bytes | None = blob(2)
    file_enc_sha256: bytes | None = blob(3)
    media_key: bytes | None = blob(4)
    mimetype: str | None = text(5)
    height: int | None = uint(6)
    width: int | None = uint(7)
    direct_path: str | None = text(8)
    file_length: int | None = uint(9)
    context: ContextInfo | None = message(17, ContextInfo)


MediaMessage = ImageMessage | VideoMessage | AudioMessage | DocumentMessage | StickerMessage


@dataclass(slots=True)
class ExtendedTextMessage(Record):
    """A text with a reply or a link preview."""

    text: str | None = text(1)
    context: ContextInfo | None = message(17, ContextInfo)


@dataclass(slots=True)
class ReactionMessage(Record):
    """An emoji on a message; empty text takes it back."""

    key: MessageKey | None = message(1, MessageKey)
    text: str | None = text(2)


@dataclass(slots=True)
class KeyFingerprint(Record):
    """Which devices an app-state key is meant for."""

    raw_id: int | None = uint(1)
    current_index: int | None = uint(2)
    device_indexes: list[int] = packed_uints(3)


@dataclass(slots=True)
class AppStateKeyData(Record):
    """An app-state key; the timestamp is in milliseconds."""

    key: bytes | None = blob(1)
    fingerprint: KeyFingerprint | None = message(2, KeyFingerprint)
    timestamp: int | None = uint(3)


@dataclass(slots=True)
class AppStateKey(Record):
    """An app-state key with its id."""

    id: Blob | None = message(1, Blob)
    data: AppStateKeyData | None = message(2, AppStateKeyData)


@dataclass(slots=True)
class AppStateKeyShare(Record):
    """Keys which a phone hands to its companion."""

    keys: list[AppStateKey] = messages(1, AppStateKey)


@dataclass(slots=True)
class ProtocolMessage(Record):
    """A message between clients: revoke (0), key share (6), key request (7), edit (14) and others."""

    key: MessageKey | None = message(1, MessageKey)
    type: int | None = uint(2)
    key_share: AppStateKeyShare | None = message(7, AppStateKeyShare)
    edited: bytes | None = blob(14)


@dataclass(slots=True)
class DeviceSentMessage(Record):
    """The copy for one's own devices of a message to `destination`."""

    destination: str | None = text(1)
    content: bytes | None = blob(2)


@dataclass(slots=True)
class FutureProof(Record):
    """A wrapper (ephemeral, view once, document with caption) around a serialised message."""

    content: bytes | None = blob(1)


@dataclass(slots=True)
class Message(Record):
    """The end-to-end encrypted content."""

    conversation: str | None = text(1)
    image: ImageMessage | None = message(3, ImageMessage)
    extended_text: ExtendedTextMessage | None = message(6, ExtendedTextMessage)
    document: DocumentMessage | None = message(7, DocumentMessage)
    audio: AudioMessage | None = message(8, AudioMessage)
    video: VideoMessage | None = message(9, VideoMessage)
    protocol: ProtocolMessage | None = message(12, ProtocolMessage)
    sticker: StickerMessage | None = message(26, StickerMessage)
    device_sent: DeviceSentMessage | None = message(31, DeviceSentMessage)
    view_once: FutureProof | None = message(37, FutureProof)
    ephemeral: FutureProof | None = message(40, FutureProof)
    reaction: ReactionMessage | None = message(46, ReactionMessage)
    document_with_caption: FutureProof | None = message(53, FutureProof)
    view_once_v2: FutureProof | None = message(55, FutureProof)


@dataclass(slots=True)
class Reading:
    """What a phone shows of a message."""

    type: MessageType
    body: str
    media: MediaMessage | None = None
    quoted_id: str | None = None
    hidden: bool = False


def pad(plain: bytes) -> bytes:
    """Return `plain` with 1 to 15 bytes of padding, each holding their number."""
    size = os.urandom(1)[0] & 15 or 15
    return plain + bytes((size,)) * size


def unpad(padded: bytes) -> bytes:
    """Undo `pad`. Raises WireError when the padding is longer than the message."""
    if not padded or padded[-1] > len(padded):
        raise WireError("message padding is malformed")
    return padded[: -padded[-1]] if padded[-1] else padded


def unwrap(content: Message) -> Message:
    """Return the message inside ephemeral, view-once and caption wrappers."""
    for _ in range(_MAX_WRAPPERS):
        wrapper = content.ephemeral or content.view_once or content.view_once_v2 or content.document_with_caption
        if wrapper is None or wrapper.content is None:
            break
        content = Message.decode(wrapper.content)
    return content


def read(content: Message) -> Reading:
    """Return what a phone shows; protocol messages between clients are hidden."""
    content = unwrap(content)
    if content.conversation is not None:
        return Reading("text", content.conversation)
    if (extended := content.extended_text) is not None:
        return Reading("text", extended.text or "", quoted_id=_quoted(extended.context))
    if (image := content.image) is not None:
        return Reading("image", image.caption or "", image, _quoted(image.context))
    if (video := content.video) is not None:
        return Reading("video", video.caption or "", video, _quoted(video.context))
    if (audio := content.audio) is not None:
        return Reading("audio", "", audio, _quoted(audio.context))
    if (document := content.document) is not None:
        return Reading("document", document.caption or "", document, _quoted(document.context))
    if (sticker := content.sticker) is not None:
        return Reading("sticker", "", sticker, _quoted(sticker.context))
    if (reaction := content.reaction) is not None:
        return Reading("reaction", reaction.text or "", quoted_id=reaction.key.id if reaction.key else None)
    return Reading("other", "", hidden=content.protocol is not None)


def _quoted(context: ContextInfo | None) -> str | None:
    return context.stanza_id if context is not None else None
