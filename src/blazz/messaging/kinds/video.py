"""Videos (and animated pictures, which WhatsApp sends as video)."""

from __future__ import annotations

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, Outgoing, quoted_id
from blazz.messaging.kinds.files import fill, reference


class Video:
    """`videoMessage`; `ptvMessage` is the round video note."""

    name = "video"
    fields = ("videoMessage", "ptvMessage")
    media_class = "video"

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.videoMessage if field == "videoMessage" else message.ptvMessage
        content = {"seconds": part.seconds, "animated": part.gifPlayback, "note": field == "ptvMessage"}
        return Decoded(
            "video",
            part.caption or None,
            content,
            media=reference(part, "video"),
            quoted_id=quoted_id(part.contextInfo),
        )

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        fill(message.videoMessage, outgoing)
        if outgoing.body:
            message.videoMessage.caption = outgoing.body
        return message
