"""Documents with a file name."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Content, Decoded, FileFacts, Outgoing
from blazz.messaging.kinds.files import FileKind, MediaBody, fill, reference


class DocumentBody(MediaBody):
    """A file of any kind, sent as it is."""

    filename: str | None = Field(None, max_length=255, description="The file's own name when absent.")


class Document(FileKind):
    """`documentMessage`."""

    name = "document"
    fields = ("documentMessage",)
    media_class = "document"
    family = "application"
    request = DocumentBody

    def kept(self, content: Any) -> dict[str, Any]:
        return {"filename": content.filename} if content.filename else {}

    def check_file(self, file: FileFacts, content: Any) -> None:
        """Any file is a document."""

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.documentMessage
        filename = part.fileName or part.title or None
        return Decoded(
            "document",
            part.caption or None,
            {"filename": filename, "pages": part.pageCount},
            media=reference(part, "document", filename=filename),
        )

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.documentMessage
        fill(part, outgoing)
        filename = outgoing.content.get("filename") or (outgoing.media.filename if outgoing.media else None) or "file"
        part.fileName = part.title = filename
        if outgoing.media is not None:
            part.pageCount = outgoing.media.details.get("pages") or 0
            part.JPEGThumbnail = outgoing.media.thumbnail or b""
        if outgoing.body:
            part.caption = outgoing.body
        return message

    def preview(self, body: str | None, content: Content) -> str:
        return body or content.get("filename") or ""
