"""Pictures with an optional caption."""

from __future__ import annotations

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, Outgoing, quoted_id
from blazz.messaging.kinds.files import fill, reference


class Image:
    """`imageMessage`."""

    name = "image"
    fields = ("imageMessage",)
    media_class = "image"

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.imageMessage
        return Decoded(
            "image", part.caption or None, media=reference(part, "image"), quoted_id=quoted_id(part.contextInfo)
        )

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.imageMessage
        fill(part, outgoing)
        if outgoing.body:
            part.caption = outgoing.body
        facts = outgoing.media
        if facts is not None and facts.width and facts.height:
            part.width, part.height = facts.width, facts.height
        if facts is not None and facts.thumbnail:
            part.JPEGThumbnail = facts.thumbnail
        return message
