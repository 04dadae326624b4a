"""Audio files and voice notes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, Draft, Lookup, MediaTask, Outgoing, refuse
from blazz.messaging.kinds.files import FileKind, MediaBody, fill, reference, seconds_of, waveform_of

_WAVEFORM_MAX = 256  # samples that are kept of a waveform; clients write 64
_LOUDEST = 100


class AudioBody(MediaBody):
    """A sound. There is no caption."""

    voice: bool = Field(False, description="A voice note: made into Opus with one channel, with its waveform.")
    view_once: bool = False


class Audio(FileKind):
    """`audioMessage`; a voice note carries the mark PTT."""

    name = "audio"
    fields = ("audioMessage",)
    media_class = "audio"
    family = "audio"
    request = AudioBody

    def draft(self, content: AudioBody, lookup: Lookup) -> Draft:
        if content.caption:
            raise refuse("caption_not_allowed", "Audio has no caption.", "audio", "caption")
        return super().draft(content, lookup)

    def task(self, content: Any) -> MediaTask | None:
        return "voice" if content.voice else "audio"

    def kept(self, content: Any) -> dict[str, Any]:
        return {"voice": content.voice}

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.audioMessage
        content: dict[str, Any] = {"voice": part.PTT, "seconds": part.seconds}
        if part.waveform:
            content["waveform"] = [min(sample, _LOUDEST) for sample in part.waveform[:_WAVEFORM_MAX]]
        return Decoded("audio", None, content, media=reference(part, "audio"))

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.audioMessage
        fill(part, outgoing)
        part.PTT = bool(outgoing.content.get("voice"))
        part.seconds = seconds_of(outgoing)
        if part.PTT:
            part.waveform = waveform_of(outgoing)
        return message
