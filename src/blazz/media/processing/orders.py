"""What is asked of the child process and what it answers: plain values that travel as lines of JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

Task = Literal["probe", "image", "sticker", "video", "gif", "note", "audio", "voice"]

# Seconds of wall clock for one file; a phone's video of some minutes takes about its own length on one core.
TIME_LIMIT_S: dict[Task, float] = {
    "probe": 60.0,
    "image": 30.0,
    "sticker": 60.0,
    "video": 900.0,
    "gif": 300.0,
    "note": 300.0,
    "audio": 300.0,
    "voice": 300.0,
}
MEMORY_BYTES = 2 * 1024**3  # address space of the child; decoding 4K video takes about a quarter of it
WAVEFORM_SAMPLES = 64  # what WhatsApp's clients draw of a voice note, each 0 to 100

# By name, because guessing would let a text pass as a playlist, which opens what it lists.
DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/3gpp": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "audio/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/ogg": "ogg",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "image/gif": "gif",
}
PDF = "application/pdf"

Progress = Callable[[float], None]
"""Called with the share that is done, 0.0 to 1.0."""


def plays(mime_type: str) -> bool:
    """Tell whether files of this type are sound or moving pictures that can be read here."""
    return mime_type.partition(";")[0] in DEMUXERS


class Unusable(Exception):
    """The file cannot be made into what was asked; the text is for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Order:
    """Make of `source`, a file of the type `mime_type`, what `task` names, into `target` (which does not exist)."""

    task: Task
    source: Path
    target: Path
    mime_type: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"task": self.task, "source": str(self.source), "target": str(self.target), "mime_type": self.mime_type}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo `to_json`."""
        return cls(values["task"], Path(values["source"]), Path(values["target"]), values["mime_type"])


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an order. Without `mime_type` there is no new file: the source is right as it is.

    `seconds` is the length of what plays; `waveform` has 64 samples of 0 to 100. Pictures: `jpeg` for the message,
    `thumbnail` and `placeholder` (WebP) for people.
    """

    mime_type: str | None = None
    extension: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    waveform: tuple[int, ...] | None = None
    animated: bool | None = None
    pages: int | None = None
    jpeg: bytes | None = None
    thumbnail: bytes | None = None
    placeholder: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; bytes in base64."""
        return {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo `to_json`. Raises ValueError, TypeError or KeyError for what is none."""
        known = {field.name for field in fields(cls)}
        found = {name: value for name, value in values.items() if name in known}
        for name in ("jpeg", "thumbnail", "placeholder"):
            if name in found:
                found[name] = base64.b64decode(found[name], validate=True)
        if "waveform" in found:
            found["waveform"] = tuple(found["waveform"])
        return cls(**found)
