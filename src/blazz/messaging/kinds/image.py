"""Pictures with an optional caption."""

from __future__ import annotations

from typing import Any

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, MediaTask, Outgoing
from blazz.messaging.kinds.files import FileKind, MediaBody, draw, fill, reference


class ImageBody(MediaBody):
    """A picture; it is turned upright, and freed of what cameras write into it."""

    view_once: bool = False


class Image(FileKind):
    """`imageMessage`."""

    name = "image"
    fields = ("imageMessage",)
    media_class = "image"
    family = "image"
    request = ImageBody

    def task(self, content: Any) -> MediaTask | None:
        return "image"

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.imageMessage
        return Decoded("image", part.caption or None, media=reference(part, "image"))

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.imageMessage
        fill(part, outgoing)
        draw(part, outgoing)
        if outgoing.body:
            part.caption = outgoing.body
        return message
