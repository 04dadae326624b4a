"""Videos: ordinary ones, silent ones that play in a loop, and round video notes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging.kinds.base import Decoded, Draft, FileFacts, Lookup, MediaTask, Outgoing, refuse
from blazz.messaging.kinds.files import FileKind, MediaBody, draw, fill, flags, reference, seconds_of


class VideoBody(MediaBody):
    """A video; it is made into H.264 of 720 lines at most."""

    animated: bool = Field(False, description="Plays silently in a loop; made of a video or of an animated GIF.")
    note: bool = Field(False, description="A round video note of at most a minute.")
    view_once: bool = False


class Video(FileKind):
    """`videoMessage`; `ptvMessage` is the round video note."""

    name = "video"
    fields = ("videoMessage", "ptvMessage")
    media_class = "video"
    family = "video"
    request = VideoBody

    def draft(self, content: VideoBody, lookup: Lookup) -> Draft:
        if content.note and (content.animated or content.caption):
            text = "A video note has no caption and does not play in a loop."
            raise refuse("video_note_is_plain", text, "video", "note")
        return super().draft(content, lookup)

    def task(self, content: Any) -> MediaTask | None:
        return "note" if content.note else "gif" if content.animated else "video"

    def kept(self, content: Any) -> dict[str, Any]:
        return dict(flags(animated=content.animated, note=content.note))

    def check_file(self, file: FileFacts, content: Any) -> None:
        if not (content.animated and file.mime_type == "image/gif"):
            super().check_file(file, content)

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.videoMessage if field == "videoMessage" else message.ptvMessage
        content: dict[str, Any] = dict(flags(animated=part.gifPlayback, note=field == "ptvMessage"))
        if part.seconds:
            content["seconds"] = part.seconds
        return Decoded("video", part.caption or None, content, media=reference(part, "video"))

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.ptvMessage if outgoing.content.get("note") else message.videoMessage
        fill(part, outgoing)
        draw(part, outgoing)
        part.seconds = seconds_of(outgoing)
        if outgoing.content.get("animated"):
            part.gifPlayback = True
        if outgoing.body:
            part.caption = outgoing.body
        return message
