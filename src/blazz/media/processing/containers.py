"""Opening sounds and videos: by the type that was found, so that no file can name other files or addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer

from blazz.media.processing.orders import DEMUXERS, Unusable

CUT_OFF = "The file is damaged or cut off."


@contextlib.contextmanager
def opened(source: Path, mime_type: str) -> Iterator[InputContainer]:
    """Open a sound or video. Raises Unusable, also for what goes wrong while it is read."""
    demuxer = DEMUXERS.get(mime_type.partition(";")[0])
    if demuxer is None:
        raise Unusable(f"A file of the type {mime_type} cannot be played.")
    try:
        with av.open(
            str(source), format=demuxer, options={"protocol_whitelist": "file"}, metadata_errors="ignore"
        ) as container:
            yield container
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise Unusable(CUT_OFF) from error


def length_of(container: InputContainer) -> float | None:
    """Return the length in seconds that the file says it has."""
    return container.duration / av.time_base if container.duration else None


def check_whole(played_s: float, said_s: float | None) -> None:
    """Raise Unusable when much less came than the file says it has: its end is missing."""
    if said_s is not None and played_s < said_s * 0.9 - 1.0:
        raise Unusable(CUT_OFF)
