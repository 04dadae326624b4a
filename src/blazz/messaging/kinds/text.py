"""Text, with or without a preview of what it links to."""

from __future__ import annotations

import base64
import time
from typing import Any
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import ExtendedTextMessage, Message
from blazz.kit.http import Model, RequestModel
from blazz.messaging.kinds.base import (
    Content,
    Decoded,
    Draft,
    Kind,
    Lookup,
    MediaFacts,
    MediaReference,
    Outgoing,
    Row,
    Uploaded,
)
from blazz.messaging.kinds.files import MediaPart, plain_part

TEXT_MAX = 4096  # characters; WhatsApp Business Platform's limit of a text message
_TITLE_MAX, _DESCRIPTION_MAX, _URL_MAX = 300, 1000, 2048  # characters that are kept of a preview
_THUMBNAIL_MAX = 32 * 1024  # bytes
_PICTURE = "link_picture"  # the class of keys of a preview's large picture


class TextBody(RequestModel):
    """The text of a message."""

    body: str = Field(min_length=1, max_length=TEXT_MAX)
    preview_url: bool | None = Field(
        None, description="Show title and picture of the first web address in the text, if its host gives them at once."
    )

    @model_validator(mode="after")
    def _not_blank(self) -> TextBody:
        if not self.body.strip():
            raise PydanticCustomError("blank_text", "A text must hold more than white space.")
        return self


class PreviewView(Model):
    """What a web address in a text leads to, as its sender saw it. `thumbnail` is a data URL.

    `picture` is a large one that some senders add.
    """

    url: str
    title: str | None = None
    description: str | None = None
    thumbnail: str | None = None
    picture: MediaPart | None = None


class TextView(Model):
    """A text."""

    body: str
    preview: PreviewView | None = None


class Text(Kind):
    """`conversation` is plain text, `extendedTextMessage` text with a context or a link preview."""

    name = "text"
    fields = ("conversation", "extendedTextMessage")
    request = TextBody
    view = TextView
    forwards = True

    def decode(self, message: Message, field: str) -> Decoded:
        if field == "conversation":
            return Decoded("text", message.conversation)
        part = message.extendedTextMessage
        if not part.matchedText or not (part.title or part.description or part.JPEGThumbnail):
            return Decoded("text", part.text)
        preview = preview_content(part.matchedText, part.title, part.description, part.JPEGThumbnail)
        return Decoded("text", part.text, {"preview": preview}, _picture_of(part))

    def draft(self, content: TextBody, lookup: Lookup) -> Draft:
        return Draft(content.body, {"preview_url": True} if content.preview_url and "://" in content.body else {})

    def waits(self, media_id: UUID | None, content: Content) -> bool:
        # a large picture is uploaded anew for every message
        return bool(content.get("preview_url")) and ("preview" not in content or media_id is not None)

    def encode(self, outgoing: Outgoing) -> Message:
        preview = outgoing.content.get("preview")
        if not preview:
            return Message(conversation=outgoing.body or "")
        message = Message()
        part = message.extendedTextMessage
        part.text = outgoing.body or ""
        part.matchedText = preview["url"]
        part.title = preview.get("title") or ""
        part.description = preview.get("description") or ""
        if preview.get("thumbnail"):
            part.JPEGThumbnail = base64.b64decode(preview["thumbnail"])
        if outgoing.uploaded is not None and outgoing.media is not None:
            _write_picture(part, outgoing.uploaded, outgoing.media)
        return message

    def show(self, row: Row, file: Any) -> TextView:
        preview = row["content"].get("preview")
        shown = None
        if preview:
            thumbnail = preview.get("thumbnail")
            shown = PreviewView.model_construct(
                url=preview["url"],
                title=preview.get("title"),
                description=preview.get("description"),
                thumbnail=f"data:image/jpeg;base64,{thumbnail}" if thumbnail else None,
                picture=plain_part(file) if file is not None and file.mime_type.startswith("image/") else None,
            )
        return TextView.model_construct(body=row["body"] or "", preview=shown)


def preview_content(url: str, title: str, description: str, jpeg: bytes) -> dict[str, str]:
    """Return what a row's content keeps of a preview, under `preview`. A picture that is no small JPEG is left out."""
    kept = {"url": url[:_URL_MAX], "title": title[:_TITLE_MAX], "description": description[:_DESCRIPTION_MAX]}
    if jpeg.startswith(b"\xff\xd8") and len(jpeg) <= _THUMBNAIL_MAX:
        kept["thumbnail"] = base64.b64encode(jpeg).decode()
    return {name: value for name, value in kept.items() if value}


def _picture_of(part: ExtendedTextMessage) -> MediaReference | None:
    """Return where the large picture of a preview is; None without one."""
    if not part.thumbnailDirectPath or not part.mediaKey:
        return None
    return MediaReference(
        media_class=_PICTURE,
        direct_path=part.thumbnailDirectPath,
        media_key=part.mediaKey,
        file_enc_sha256=part.thumbnailEncSHA256,
        file_sha256=part.thumbnailSHA256,
        file_length=0,  # the message does not say
        mime_type="image/jpeg",
        width=part.thumbnailWidth or None,
        height=part.thumbnailHeight or None,
        thumbnail=part.JPEGThumbnail or None,
    )


def _write_picture(part: ExtendedTextMessage, uploaded: Uploaded, facts: MediaFacts) -> None:
    part.thumbnailDirectPath = uploaded.direct_path
    part.mediaKey, part.mediaKeyTimestamp = uploaded.media_key, int(time.time())
    part.thumbnailSHA256, part.thumbnailEncSHA256 = uploaded.file_sha256, uploaded.file_enc_sha256
    part.thumbnailWidth, part.thumbnailHeight = facts.width or 0, facts.height or 0
