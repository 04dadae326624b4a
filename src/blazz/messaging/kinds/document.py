"""Documents with a file name."""

from __future__ import annotations

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, Outgoing, quoted_id
from blazz.messaging.kinds.files import fill, reference


class Document:
    """`documentMessage`."""

    name = "document"
    fields = ("documentMessage",)
    media_class = "document"

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.documentMessage
        filename = part.fileName or part.title or None
        return Decoded(
            "document",
            part.caption or None,
            {"filename": filename, "pages": part.pageCount},
            media=reference(part, "document", filename=filename),
            quoted_id=quoted_id(part.contextInfo),
        )

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.documentMessage
        fill(part, outgoing)
        filename = outgoing.content.get("filename") or (outgoing.media.filename if outgoing.media else None) or "file"
        part.fileName = part.title = filename
        if outgoing.body:
            part.caption = outgoing.body
        return message
