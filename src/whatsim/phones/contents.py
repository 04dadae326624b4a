"""Builds what phones send, and keeps what phones have sent and received."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

from whatsim.model import (
    FileContent,
    ImageContent,
    InvalidContent,
    MessageType,
    OutgoingContent,
    RawContent,
    TextContent,
)
from whatsim.phones.files import write
from whatsim.server.entities import Message as ShownMessage
from whatsim.server.entities import Phone, now
from whatsim.server.media_host import HOST, MediaHost
from whatsim.server.store import Store
from whatsim.wire.e2e import (
    DocumentMessage,
    ExtendedTextMessage,
    FutureProof,
    ImageMessage,
    MediaMessage,
    Message,
    Reading,
    read,
)
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, USER_SERVER
from whatsim.wire.kinds import ContextInfo, MessageContext
from whatsim.wire.media import seal
from whatsim.wire.message_secret import new_secret

MAX_TEXT = 65_536
MAX_MEDIA = 16 << 20
MAX_RAW = 1 << 20
_THUMBNAIL = (72, 72)
# Contents sent last, for clients that ask for them again; older ones are read from disk.
_RECENT = 2_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A content ready to be encrypted for each device."""

    data: bytes
    type: MessageType
    body: str
    stanza_type: str = "text"
    media_type: str = ""
    quoted_id: str | None = None
    media: dict[str, Any] | None = None


class Contents:
    """Serialised messages by the id under which the network shows them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self.on_keep: Callable[[ShownMessage, bytes], None] = lambda message, data: None

    def keep(self, message: ShownMessage, data: bytes) -> None:
        """Keep what was sent or received with a message."""
        self._store.put("contents", message.id, (message.id, data))
        self._recent[message.id] = data
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self.on_keep(message, data)

    def find(self, message: ShownMessage) -> bytes | None:
        """Return a message's serialised content."""
        recent = self._recent.get(message.id)
        if recent is not None:
            return recent
        rows = self._store.read("SELECT content FROM contents WHERE message = ?", message.id)
        return bytes(rows[0][0]) if rows else None


async def prepare(
    content: OutgoingContent, phone: Phone, chat: Phone, media_host: MediaHost, *, group: str | None = None
) -> Prepared:
    """Check and serialise a content; pictures are put on the media host. Raises InvalidContent.

    `group` is the address of the group that it is for; `chat` is then who wrote the message that it answers.
    """
    if isinstance(content, TextContent):
        return prepare_text(content, phone, chat, group=group)
    if isinstance(content, ImageContent):
        return await _prepare_image(content, media_host)
    if isinstance(content, FileContent):
        data, part = await write(content, media_host)
        media = media_of(content.kind, part)
        return Prepared(data, content.kind, content.caption or "", "media", content.kind, media=media)
    if isinstance(content, RawContent):
        return _prepare_raw(content)
    raise InvalidContent("Contents without a file are written by `Writer`.")


def prepare_text(content: TextContent, phone: Phone, chat: Phone, *, group: str | None = None) -> Prepared:
    """Serialise a text; a reply names the message that it answers. Raises InvalidContent."""
    if not content.body or len(content.body) > MAX_TEXT:
        raise InvalidContent(f"A text has 1 to {MAX_TEXT} characters.")
    about = MessageContext(secret=new_secret())
    if content.quoted_id is None and not content.mentions:
        return Prepared(Message(conversation=content.body, about=about).encode(), "text", content.body)
    context = ContextInfo(mentioned=[f"{number}@{USER_SERVER}" for number in content.mentions])
    if content.quoted_id is not None:
        quoted = phone.find_message(group or chat.number, content.quoted_id)
        if quoted is None:
            raise InvalidContent("There is no message with this id to answer.")
        author = phone if quoted.outgoing else chat
        context.stanza_id, context.participant = quoted.message_id, author.jid(LID_SERVER)
        context.quoted = Message(conversation=quoted.body).encode()
    message = Message(extended_text=ExtendedTextMessage(content.body, context), about=about)
    return Prepared(message.encode(), "text", content.body, quoted_id=context.stanza_id)


async def _prepare_image(content: ImageContent, media_host: MediaHost) -> Prepared:
    if not content.data or len(content.data) > MAX_MEDIA:
        raise InvalidContent(f"A picture has 1 to {MAX_MEDIA} bytes.")
    if not content.mimetype.startswith("image/"):
        raise InvalidContent("The MIME type of a picture begins with image/.")
    width, height, thumbnail = await asyncio.to_thread(_measure, content.data)
    sealed = await asyncio.to_thread(seal, content.data, "image")
    path = await media_host.keep(sealed)
    image = ImageMessage(
        url=f"https://{HOST}{path}",
        mimetype=content.mimetype,
        caption=content.caption,
        file_sha256=sealed.file_sha256,
        file_length=len(content.data),
        height=height,
        width=width,
        media_key=sealed.media_key,
        file_enc_sha256=sealed.file_enc_sha256,
        direct_path=path,
        media_key_timestamp=int(now()),
        thumbnail=thumbnail,
    )
    media = media_of("image", image)
    message = Message(image=image, about=MessageContext(secret=new_secret()))
    if content.view_once:
        message = Message(view_once_v2=FutureProof(message.encode()), about=message.about)
    return Prepared(message.encode(), "image", content.caption or "", "media", "image", media=media)


def _measure(data: bytes) -> tuple[int, int, bytes]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
            image.draft("RGB", (288, 288))
            small = image.convert("RGB")
            small.thumbnail(_THUMBNAIL)
            out = io.BytesIO()
            small.save(out, "JPEG", quality=60)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidContent("The picture cannot be read.") from error
    return size[0], size[1], out.getvalue()


def _prepare_raw(content: RawContent) -> Prepared:
    if not content.data or len(content.data) > MAX_RAW:
        raise InvalidContent(f"A serialised message has 1 to {MAX_RAW} bytes.")
    try:
        reading = read(Message.decode(content.data))
    except WireError as error:
        raise InvalidContent("The bytes are no serialised message.") from error
    media_type = reading.type if reading.media is not None else ""
    stanza_type = "media" if media_type else "reaction" if reading.type == "reaction" else "text"
    media = media_of(reading.type, reading.media) if reading.media is not None else None
    return Prepared(content.data, reading.type, reading.body, stanza_type, media_type, reading.quoted_id, media)


def media_of(kind: str, media: MediaMessage) -> dict[str, Any] | None:
    """Return what is kept to fetch and show a message's file; None when it names no file."""
    if media.direct_path is None or media.media_key is None:
        return None
    found: dict[str, Any] = {
        "kind": kind,
        "mimetype": media.mimetype or "application/octet-stream",
        "path": media.direct_path,
        "key": media.media_key.hex(),
        "size": media.file_length,
    }
    for name in ("width", "height"):
        value = getattr(media, name, None)
        if value is not None:
            found[name] = value
    if isinstance(media, DocumentMessage) and media.file_name is not None:
        found["filename"] = media.file_name
    return found


def media_of_reading(reading: Reading) -> dict[str, Any] | None:
    """Return `media_of` for a message that was read; of a text it is the large picture of what it links to."""
    if reading.media is not None:
        return media_of(reading.type, reading.media)
    preview = reading.preview
    if preview is None or preview.direct_path is None or preview.media_key is None:
        return None
    found = {"kind": "link_picture", "mimetype": "image/jpeg", "path": preview.direct_path}
    return {**found, "key": preview.media_key.hex(), "width": preview.width, "height": preview.height}
