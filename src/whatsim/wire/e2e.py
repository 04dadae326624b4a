"""End-to-end message contents: the kinds which simulated phones write, and what they read out of any kind."""

# The declaring functions return dataclass fields; no default is shared between instances.
# ruff: noqa: RUF009

from __future__ import annotations

import os
from dataclasses import dataclass

from whatsim.model import MessageType
from whatsim.wire import protobuf
from whatsim.wire.errors import WireError
from whatsim.wire.kinds import (
    Buttons,
    ButtonsReply,
    Contact,
    Contacts,
    ContextInfo,
    GroupInvite,
    Interactive,
    ListPicker,
    ListReply,
    LiveLocation,
    Location,
    MessageContext,
    MessageKey,
    Pin,
    PollCreation,
    PollUpdate,
    ReactionMessage,
    Sealed,
)
from whatsim.wire.protobuf import Record, blob, flag, message, messages, packed_uints, text, uint
from whatsim.wire.records import Blob

TYPE_REVOKE = 0
TYPE_TIMER = 3
TYPE_KEY_SHARE = 6
TYPE_KEY_REQUEST = 7
TYPE_EDIT = 14
_MAX_WRAPPERS = 6


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
    view_once: bool | None = flag(25)


@dataclass(slots=True)
class VideoMessage(Record):
    """A video on the media host; `gif_playback` plays silently in a loop."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    file_sha256: bytes | None = blob(3)
    file_length: int | None = uint(4)
    seconds: int | None = uint(5)
    media_key: bytes | None = blob(6)
    caption: str | None = text(7)
    gif_playback: bool | None = flag(8)
    height: int | None = uint(9)
    width: int | None = uint(10)
    file_enc_sha256: bytes | None = blob(11)
    direct_path: str | None = text(13)
    media_key_timestamp: int | None = uint(14)
    thumbnail: bytes | None = blob(16)
    context: ContextInfo | None = message(17, ContextInfo)
    view_once: bool | None = flag(20)


@dataclass(slots=True)
class AudioMessage(Record):
    """A voice note (`ptt`, with 64 samples of its waveform) or other sound on the media host."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    file_sha256: bytes | None = blob(3)
    file_length: int | None = uint(4)
    seconds: int | None = uint(5)
    ptt: bool | None = flag(6)
    media_key: bytes | None = blob(7)
    file_enc_sha256: bytes | None = blob(8)
    direct_path: str | None = text(9)
    media_key_timestamp: int | None = uint(10)
    context: ContextInfo | None = message(17, ContextInfo)
    waveform: bytes | None = blob(19)
    view_once: bool | None = flag(21)


@dataclass(slots=True)
class DocumentMessage(Record):
    """A file on the media host."""

    url: str | None = text(1)
    mimetype: str | None = text(2)
    title: str | None = text(3)
    file_sha256: bytes | None = blob(4)
    file_length: int | None = uint(5)
    page_count: int | None = uint(6)
    media_key: bytes | None = blob(7)
    file_name: str | None = text(8)
    file_enc_sha256: bytes | None = blob(9)
    direct_path: str | None = text(10)
    media_key_timestamp: int | None = uint(11)
    thumbnail: bytes | None = blob(16)
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
    media_key_timestamp: int | None = uint(10)
    is_animated: bool | None = flag(13)
    context: ContextInfo | None = message(17, ContextInfo)


MediaMessage = ImageMessage | VideoMessage | AudioMessage | DocumentMessage | StickerMessage


@dataclass(slots=True)
class ExtendedTextMessage(Record):
    """A text with a reply or a link preview."""

    text: str | None = text(1)
    context: ContextInfo | None = message(17, ContextInfo)
    matched_text: str | None = protobuf.text(2)  # the field above hides the name
    description: str | None = protobuf.text(5)
    title: str | None = protobuf.text(6)
    thumbnail: bytes | None = blob(16)
    # a large picture of the page, on the media host
    direct_path: str | None = protobuf.text(19)
    file_sha256: bytes | None = blob(20)
    file_enc_sha256: bytes | None = blob(21)
    media_key: bytes | None = blob(22)
    media_key_timestamp: int | None = uint(23)
    height: int | None = uint(24)
    width: int | None = uint(25)


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
    expiration: int | None = uint(4)
    expiration_set_at: int | None = uint(5)
    key_share: AppStateKeyShare | None = message(7, AppStateKeyShare)
    edited: bytes | None = blob(14)
    timestamp_ms: int | None = uint(15)


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
class SenderKeyDistribution(Record):
    """What a device needs to read its sender's messages in a group."""

    group: str | None = text(1)
    data: bytes | None = blob(2)


@dataclass(slots=True)
class Message(Record):
    """The end-to-end encrypted content."""

    conversation: str | None = text(1)
    sender_key: SenderKeyDistribution | None = message(2, SenderKeyDistribution)
    image: ImageMessage | None = message(3, ImageMessage)
    contact: Contact | None = message(4, Contact)
    location: Location | None = message(5, Location)
    extended_text: ExtendedTextMessage | None = message(6, ExtendedTextMessage)
    document: DocumentMessage | None = message(7, DocumentMessage)
    audio: AudioMessage | None = message(8, AudioMessage)
    video: VideoMessage | None = message(9, VideoMessage)
    protocol: ProtocolMessage | None = message(12, ProtocolMessage)
    contacts: Contacts | None = message(13, Contacts)
    live_location: LiveLocation | None = message(18, LiveLocation)
    sticker: StickerMessage | None = message(26, StickerMessage)
    group_invite: GroupInvite | None = message(28, GroupInvite)
    device_sent: DeviceSentMessage | None = message(31, DeviceSentMessage)
    about: MessageContext | None = message(35, MessageContext)
    list_picker: ListPicker | None = message(36, ListPicker)
    view_once: FutureProof | None = message(37, FutureProof)
    list_reply: ListReply | None = message(39, ListReply)
    ephemeral: FutureProof | None = message(40, FutureProof)
    buttons: Buttons | None = message(42, Buttons)
    buttons_reply: ButtonsReply | None = message(43, ButtonsReply)
    interactive: Interactive | None = message(45, Interactive)
    reaction: ReactionMessage | None = message(46, ReactionMessage)
    poll: PollCreation | None = message(49, PollCreation)
    poll_update: PollUpdate | None = message(50, PollUpdate)
    document_with_caption: FutureProof | None = message(53, FutureProof)
    view_once_v2: FutureProof | None = message(55, FutureProof)
    edited: FutureProof | None = message(58, FutureProof)
    view_once_audio: FutureProof | None = message(59, FutureProof)
    pin: Pin | None = message(63, Pin)
    poll_v3: PollCreation | None = message(64, PollCreation)
    video_note: VideoMessage | None = message(66, VideoMessage)
    sealed: Sealed | None = message(82, Sealed)


@dataclass(slots=True)
class Reading:
    """What a phone shows of a message."""

    type: MessageType
    body: str
    media: MediaMessage | None = None
    quoted_id: str | None = None
    hidden: bool = False
    preview: ExtendedTextMessage | None = None


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
    """Return the message inside ephemeral, view-once, caption and edit wrappers, with what accompanies it."""
    for _ in range(_MAX_WRAPPERS):
        wrapper = content.ephemeral or content.document_with_caption or content.edited or once(content)
        if wrapper is None or wrapper.content is None:
            break
        about, content = content.about, Message.decode(wrapper.content)
        content.about = content.about or about
    return content


def once(content: Message) -> FutureProof | None:
    """Return the wrapper of what may be seen only once."""
    return content.view_once or content.view_once_v2 or content.view_once_audio


def read(content: Message) -> Reading:
    """Return what a phone shows; protocol messages between clients are hidden."""
    content = unwrap(content)
    if content.conversation is not None:
        return Reading("text", content.conversation)
    if (extended := content.extended_text) is not None:
        return Reading("text", extended.text or "", quoted_id=_quoted(extended.context), preview=extended)
    if (image := content.image) is not None:
        return Reading("image", image.caption or "", image, _quoted(image.context))
    if (video := content.video or content.video_note) is not None:
        return Reading("video", video.caption or "", video, _quoted(video.context))
    if (audio := content.audio) is not None:
        return Reading("audio", "", audio, _quoted(audio.context))
    if (document := content.document) is not None:
        return Reading("document", document.caption or "", document, _quoted(document.context))
    if (sticker := content.sticker) is not None:
        return Reading("sticker", "", sticker, _quoted(sticker.context))
    if (other := language(content)) is not None:
        return other
    return Reading("other", "", hidden=content.protocol is not None)


def language(content: Message) -> Reading | None:
    """Return the reading of the kinds without a file; None for what is none of them."""
    key = target_key(content)
    about = key.id if key is not None else None
    if (reaction := content.reaction) is not None:
        return Reading("reaction", reaction.text or "", quoted_id=about)
    if content.poll_update is not None:
        return Reading("poll_vote", "", quoted_id=about)
    if content.pin is not None:
        return Reading("pin", "", quoted_id=about)
    if content.sealed is not None:
        return Reading("edit", "", quoted_id=about)
    if (protocol := content.protocol) is not None:
        kind = _PROTOCOL.get(protocol.type or 0)
        return None if kind is None else Reading(kind, "", quoted_id=about)
    if (poll := content.poll or content.poll_v3) is not None:
        return Reading("poll", poll.question or "", quoted_id=_quoted(poll.context))
    if (place := content.location) is not None:
        return Reading("location", place.name or place.address or "", quoted_id=_quoted(place.context))
    if (moving := content.live_location) is not None:
        return Reading("location", moving.caption or "", quoted_id=_quoted(moving.context))
    if (invitation := content.group_invite) is not None:
        return Reading("group_invite", invitation.caption or "", quoted_id=_quoted(invitation.context))
    if (card := content.contact) is not None:
        return Reading("contacts", card.name or "", quoted_id=_quoted(card.context))
    if (cards := content.contacts) is not None:
        names = ", ".join(card.name or "" for card in cards.contacts)
        return Reading("contacts", names, quoted_id=_quoted(cards.context))
    for asked in (content.buttons, content.list_picker, content.interactive):
        if asked is not None:
            return Reading("interactive", asked.shown, quoted_id=_quoted(asked.context))
    for answer in (content.buttons_reply, content.list_reply):
        if answer is not None:
            return Reading("interactive", answer.title or "", quoted_id=_quoted(answer.context))
    return None


_PROTOCOL: dict[int, MessageType] = {TYPE_REVOKE: "delete", TYPE_TIMER: "timer", TYPE_EDIT: "edit"}


def target_key(content: Message) -> MessageKey | None:
    """Return what names the message that an unwrapped change is about; None for what is no change."""
    parts = (content.reaction, content.poll_update, content.pin, content.sealed, content.protocol)
    return next((part.key for part in parts if part is not None), None)


def _quoted(context: ContextInfo | None) -> str | None:
    return context.stanza_id if context is not None else None
