"""What the kinds with a file share: picture, video, audio, sticker and document differ in a few fields only."""

from __future__ import annotations

import base64
import time
import uuid
from typing import Any, ClassVar, Literal

from pydantic import Field

from blazz.kit.http import Model, RequestModel
from blazz.messaging.kinds.base import (
    Content,
    Draft,
    FileFacts,
    Kind,
    Lookup,
    MediaReference,
    MediaTask,
    Outgoing,
    Row,
    refuse,
)

CAPTION_MAX = 1024  # characters; WhatsApp Business Platform's limit


class FileBody(RequestModel):
    """A file: one that was uploaded before, by its id, or one to be fetched by its address."""

    id: uuid.UUID | None = None
    link: str | None = Field(
        None,
        max_length=2048,
        description="An address on the public internet; the file is fetched before the message is sent.",
    )


class MediaBody(FileBody):
    """A file with an optional caption."""

    caption: str | None = Field(None, max_length=CAPTION_MAX)


class MediaPart(Model):
    """A file of a message. `thumbnail` is a tiny blurred picture as a data URL."""

    id: uuid.UUID
    mime_type: str
    status: Literal["remote", "pending", "processing", "completed", "failed"]
    progress: int | None = Field(None, description="Per cent, while the file is converted.")
    failure: str | None = None
    form: MediaTask | None = Field(
        None, description="What the file is made into before it is sent; `form` of `/media/{id}/content` gives that."
    )
    caption: str | None = None
    filename: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None
    voice: bool | None = None
    note: bool | None = Field(None, description="A round video note.")
    animated: bool | None = Field(None, description="A video that plays silently in a loop, or a sticker that moves.")
    seconds: int | None = None
    waveform: list[int] | None = Field(None, description="64 samples of 0 to 100.")
    pages: int | None = None


class FileKind(Kind):
    """A kind with a file of the MIME type `{family}/...`."""

    request: ClassVar[Any] = MediaBody
    view: ClassVar[Any] = MediaPart
    forwards: ClassVar[bool] = True
    family: ClassVar[str]

    def draft(self, content: Any, lookup: Lookup) -> Draft:
        task = self.task(content)
        kept = self.kept(content)
        if (content.id is None) == (content.link is None):
            text = "Give either the id of an uploaded file, or a link to one."
            raise refuse("media_id_missing", text, self.name, "id")
        if content.link is not None:
            media_id = lookup.fetch(content.link, self.family, kept.get("filename"))
        else:
            media_id = content.id
            file = lookup.file(media_id)
            self.check_file(file, content)
            if task == "image" and file.plain:
                task = None
        if task is not None:
            lookup.make(media_id, task)
            kept["form"] = task
        if getattr(content, "view_once", False):
            kept["context"] = {"view_once": True}
        return Draft(getattr(content, "caption", None), kept, media_id)

    def task(self, content: Any) -> MediaTask | None:
        """Return what is made of a file before it is sent; None when it is sent as it is."""
        del content
        return None

    def kept(self, content: Any) -> dict[str, Any]:
        """Return what the message's row keeps of a request."""
        del content
        return {}

    def check_file(self, file: FileFacts, content: Any) -> None:
        """Refuse a file that cannot be sent as this kind."""
        del content
        if not file.mime_type.startswith(f"{self.family}/"):
            text = f"The file is {file.mime_type}, which cannot be sent as {self.name}; send it as document."
            raise refuse("media_type_mismatch", text, self.name, "id")

    def show(self, row: Row, file: Any) -> MediaPart:
        content = row["content"]
        if file is None:
            # a message that names no file: shown as one that could not be had
            return MediaPart.model_construct(
                id=row["id"], mime_type="application/octet-stream", status="failed", caption=row["body"]
            )
        details = file.details or {}
        form = content.get("form")
        job = file.jobs.get(form) if file.status == "completed" else None
        seconds = details.get("seconds") or content.get("seconds")
        return MediaPart.model_construct(
            id=file.id,
            mime_type=file.mime_type,
            status=file.status if job is None else "failed" if job.state == "failed" else "processing",
            progress=job.progress if job is not None and job.state != "failed" else None,
            failure=job.failure if job is not None else file.failure,
            form=form,
            caption=row["body"],
            filename=content.get("filename") or file.filename,
            size=file.size,
            width=file.width,
            height=file.height,
            thumbnail=_data_url(file.thumbnail),
            voice=content.get("voice"),
            note=content.get("note"),
            animated=content.get("animated") or details.get("animated"),
            seconds=round(seconds) if seconds else None,
            waveform=details.get("waveform") or content.get("waveform"),
            pages=details.get("pages") or content.get("pages") or None,
        )


def plain_part(file: Any) -> MediaPart:
    """Return what is shown of a picture that only accompanies a message."""
    return MediaPart.model_construct(
        id=file.id,
        mime_type=file.mime_type,
        status=file.status,
        failure=file.failure,
        size=file.size,
        width=file.width,
        height=file.height,
        thumbnail=_data_url(file.thumbnail),
    )


def seconds_of(outgoing: Outgoing) -> int:
    """Return the length of what plays, in whole seconds, at least one; 0 when it is not known."""
    known = (outgoing.media.details.get("seconds") if outgoing.media else None) or outgoing.content.get("seconds") or 0
    return max(1, round(known)) if known else 0


def waveform_of(outgoing: Outgoing) -> bytes:
    """Return the waveform as WhatsApp writes it: a byte of 0 to 100 for each of 64 samples; may be empty."""
    known = (outgoing.media.details.get("waveform") if outgoing.media else None) or outgoing.content.get("waveform")
    return bytes(known or ())


def flags(**values: bool) -> Content:
    """Return those that are set."""
    return {name: True for name, value in values.items() if value}


def draw(part: Any, outgoing: Outgoing) -> None:
    """Write size and small picture into a message of something to be seen."""
    facts = outgoing.media
    if facts is not None and facts.width and facts.height:
        part.width, part.height = facts.width, facts.height
    if facts is not None and facts.thumbnail:
        part.JPEGThumbnail = facts.thumbnail


def _data_url(thumbnail: bytes | None) -> str | None:
    if not thumbnail:
        return None
    form = "jpeg" if thumbnail.startswith(b"\xff\xd8") else "webp"
    return f"data:image/{form};base64,{base64.b64encode(thumbnail).decode()}"


def reference(part: Any, media_class: str, *, filename: str | None = None) -> MediaReference | None:
    """Return where the file of a media message is; None when the message does not say."""
    if not part.directPath or not part.mediaKey:
        return None
    return MediaReference(
        media_class=media_class,
        direct_path=part.directPath,
        media_key=part.mediaKey,
        file_enc_sha256=part.fileEncSHA256,
        file_sha256=part.fileSHA256,
        file_length=part.fileLength,
        mime_type=part.mimetype or "application/octet-stream",
        filename=filename,
        width=getattr(part, "width", 0) or None,
        height=getattr(part, "height", 0) or None,
        thumbnail=getattr(part, "JPEGThumbnail", b"") or None,
    )


def fill(part: Any, outgoing: Outgoing) -> None:
    """Write the upload's result and the type into a media message."""
    uploaded, facts = outgoing.uploaded, outgoing.media
    if uploaded is None or facts is None:
        raise ValueError("a media message is written after its upload")
    part.URL = uploaded.url
    part.directPath = uploaded.direct_path
    part.mediaKey = uploaded.media_key
    part.fileEncSHA256 = uploaded.file_enc_sha256
    part.fileSHA256 = uploaded.file_sha256
    part.fileLength = uploaded.file_length
    part.mediaKeyTimestamp = int(time.time())
    part.mimetype = facts.mime_type
