"""What a phone can be told to send as a file: bodies and their contents."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from whatsim.control.language import Part
from whatsim.control.sources import decode
from whatsim.model import FileContent

MAX_FILE_BYTES = 16 * 1024 * 1024
_MIME = r"[a-z0-9][a-z0-9.+-]{0,60}(?:; ?[a-z]+=[a-z0-9]+)?$"
Side = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]


class FileBody(Part):
    """A file, as base64; it is sent as it is."""

    base64: str = Field(min_length=4, max_length=(MAX_FILE_BYTES + 2) // 3 * 4)
    view_once: bool = False


class VideoBody(FileBody):
    """A video; `animated` loops silently, `note` is a round one."""

    mimetype: str = Field("video/mp4", pattern=r"^video/" + _MIME)
    caption: str | None = Field(None, max_length=4096)
    seconds: Seconds | None = None
    width: Side | None = None
    height: Side | None = None
    animated: bool = False
    note: bool = False

    def content(self) -> FileContent:
        return FileContent("video", decode(self.base64, "video.base64"), **self.model_dump(exclude={"base64"}))


class AudioBody(FileBody):
    """A sound; `voice` makes it a voice note, whose `waveform` has 64 samples of 0 to 100."""

    mimetype: str = Field("audio/ogg; codecs=opus", pattern=r"^audio/" + _MIME)
    seconds: Seconds | None = None
    voice: bool = False
    waveform: list[Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=list, max_length=64)

    def content(self) -> FileContent:
        values = self.model_dump(exclude={"base64", "waveform"})
        return FileContent("audio", decode(self.base64, "audio.base64"), waveform=tuple(self.waveform), **values)


class DocumentBody(FileBody):
    """Any file with a name."""

    mimetype: str = Field("application/octet-stream", pattern=r"^[a-z]+/" + _MIME)
    caption: str | None = Field(None, max_length=4096)
    filename: str | None = Field(None, min_length=1, max_length=255)

    def content(self) -> FileContent:
        return FileContent("document", decode(self.base64, "document.base64"), **self.model_dump(exclude={"base64"}))


class StickerBody(FileBody):
    """A WebP picture; `animated` marks one that moves."""

    mimetype: str = Field("image/webp", pattern=r"^image/" + _MIME)
    width: Side = 512
    height: Side = 512
    animated: bool = False

    def content(self) -> FileContent:
        return FileContent("sticker", decode(self.base64, "sticker.base64"), **self.model_dump(exclude={"base64"}))
