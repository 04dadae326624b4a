"""Audio files and voice notes."""

from __future__ import annotations

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, Outgoing, quoted_id
from blazz.messaging.kinds.files import fill, reference


class Audio:
    """`audioMessage`; a voice note carries the mark PTT."""

    name = "audio"
    fields = ("audioMessage",)
    media_class = "audio"

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.audioMessage
        content = {"seconds": part.seconds, "voice": part.PTT}
        return Decoded("audio", None, content, media=reference(part, "audio"), quoted_id=quoted_id(part.contextInfo))

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        fill(message.audioMessage, outgoing)
        return message
