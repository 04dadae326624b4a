"""Stickers, still and moving: WebP of 512 × 512 pixels."""

from __future__ import annotations

import time
from typing import Any

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, MediaTask, Outgoing
from blazz.messaging.kinds.files import FileBody, FileKind, fill, flags, reference


class StickerBody(FileBody):
    """Any picture; it is fitted into a square. One that moves stays so."""


class Sticker(FileKind):
    """`stickerMessage`; its file is encrypted like a picture's."""

    name = "sticker"
    fields = ("stickerMessage",)
    media_class = "sticker"
    family = "image"
    request = StickerBody

    def task(self, content: Any) -> MediaTask | None:
        return "sticker"

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.stickerMessage
        return Decoded("sticker", None, flags(animated=part.isAnimated), media=reference(part, "sticker"))

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.stickerMessage
        fill(part, outgoing)
        facts = outgoing.media
        if facts is not None and facts.width and facts.height:
            part.width, part.height = facts.width, facts.height
        part.isAnimated = bool(facts and facts.details.get("animated")) or bool(outgoing.content.get("animated"))
        part.stickerSentTS = int(time.time() * 1000)
        return message
