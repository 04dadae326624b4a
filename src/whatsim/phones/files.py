"""Files that phones send: sounds, videos, documents and stickers, as the owner gives them; and what shows of any."""

from __future__ import annotations

import asyncio
from typing import Any

from whatsim.model import FileContent, InvalidContent
from whatsim.server.entities import now
from whatsim.server.media_host import HOST, MediaHost
from whatsim.wire.e2e import (
    AudioMessage,
    DocumentMessage,
    FutureProof,
    Message,
    StickerMessage,
    VideoMessage,
)
from whatsim.wire.kinds import MessageContext
from whatsim.wire.media import seal
from whatsim.wire.message_secret import new_secret

Part = VideoMessage | AudioMessage | DocumentMessage | StickerMessage
MAX_BYTES = 100 << 20
WAVEFORM_SAMPLES = 64


async def write(content: FileContent, media_host: MediaHost) -> tuple[bytes, Part]:
    """Put a file on the media host; returns the serialised message and the part that names the file.

    Raises InvalidContent.
    """
    if not content.data or len(content.data) > MAX_BYTES:
        raise InvalidContent(f"A file has 1 to {MAX_BYTES} bytes.")
    sealed = await asyncio.to_thread(seal, content.data, content.kind)
    path = await media_host.keep(sealed)
    common: dict[str, Any] = {
        "url": f"https://{HOST}{path}",
        "mimetype": content.mimetype,
        "file_sha256": sealed.file_sha256,
        "file_length": len(content.data),
        "media_key": sealed.media_key,
        "file_enc_sha256": sealed.file_enc_sha256,
        "direct_path": path,
        "media_key_timestamp": int(now()),
    }
    part = _part(content, common)
    about = MessageContext(secret=new_secret())
    message = Message(about=about)
    if isinstance(part, VideoMessage):
        message.video, message.video_note = (None, part) if content.note else (part, None)
    elif isinstance(part, AudioMessage):
        message.audio = part
    elif isinstance(part, DocumentMessage):
        message.document = part
    else:
        message.sticker = part
    if not content.view_once:
        return message.encode(), part
    wrapped = FutureProof(message.encode())
    if isinstance(part, AudioMessage):
        return Message(view_once_audio=wrapped, about=about).encode(), part
    return Message(view_once_v2=wrapped, about=about).encode(), part


def details_of(content: Message) -> dict[str, Any] | None:
    """Return what a phone shows of a message's file beyond its caption; None when it has none to tell of."""
    if (preview := content.extended_text) is not None and preview.matched_text:
        return {"link": preview.matched_text, "title": preview.title, "has_picture": preview.thumbnail is not None}
    if (video := content.video or content.video_note) is not None:
        found = {"seconds": video.seconds, "animated": video.gif_playback, "has_thumbnail": bool(video.thumbnail)}
        return _told({**found, "note": content.video_note is not None})
    if (audio := content.audio) is not None:
        wave = list(audio.waveform) if audio.waveform else None
        return _told({"seconds": audio.seconds, "voice": audio.ptt, "waveform": wave})
    if (document := content.document) is not None:
        return _told({"pages": document.page_count, "has_thumbnail": bool(document.thumbnail)})
    if (sticker := content.sticker) is not None:
        return _told({"animated": sticker.is_animated})
    return None


def once(content: Message) -> bool:
    """Tell whether the part itself says that it may be seen only once."""
    return any(part is not None and bool(part.view_once) for part in (content.image, content.video, content.audio))


def _part(content: FileContent, common: dict[str, Any]) -> Part:
    size: dict[str, Any] = {"width": content.width, "height": content.height}
    moves = content.animated or None
    match content.kind:
        case "video":
            told: dict[str, Any] = {"caption": content.caption, "seconds": content.seconds, "gif_playback": moves}
            return VideoMessage(**common, **size, **told)
        case "audio":
            wave = bytes(content.waveform[:WAVEFORM_SAMPLES]) or None
            return AudioMessage(**common, seconds=content.seconds, ptt=content.voice or None, waveform=wave)
        case "document":
            name = content.filename or "file"
            return DocumentMessage(**common, caption=content.caption, file_name=name, title=name)
        case "sticker":
            return StickerMessage(**common, **size, is_animated=moves)


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value}
