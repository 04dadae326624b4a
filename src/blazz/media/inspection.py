"""What a file is, decided by its content; and the refusal of what could act in a browser or on a machine."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blazz.kit.errors import BlazzError, invalid
from blazz.media.pictures import Picture, read_picture
from blazz.media.signatures import HEAD_BYTES, FileType, identify, refused_by_name
from blazz.media.store import MediaStore

_BLOCK_BYTES = 1024 * 1024
PLAIN_MAX_BYTES = 5 * 1024 * 1024  # of a picture that is sent as it is (product rule)
UNKNOWN = FileType("application/octet-stream", "bin")


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file that may be kept. `picture` is set for pictures."""

    mime_type: str
    extension: str
    picture: Picture | None = None

    def columns(self, key: str, sha256: str, size: int) -> dict[str, Any]:
        """Return the columns of a file that is here. `size` in bytes."""
        found: dict[str, Any] = {"mime_type": self.mime_type, "sha256": sha256, "size": size, "path": key}
        found |= {"status": "completed", "failure": None}
        if self.picture is not None:
            seen = self.picture
            found |= {"width": seen.width, "height": seen.height, "thumbnail": seen.placeholder}
            found["details"] = {"plain": seen.plain and size <= PLAIN_MAX_BYTES}
        return found


def inspect_file(file: Path, filename: str | None, declared: str | None, *, announced: bool = False) -> Inspected:
    """Return what `file` is (blocking, CPU). `declared` and `filename` only tell apart what has the same content.

    An `announced` file came with a message of the type `declared` and must be of that family; a document may then be
    of an unknown type. Raises BlazzError `media_type_refused` or `media_unreadable` (422).
    """
    declared = (declared or "").partition(";")[0].strip().lower()
    if refused_by_name(filename, declared):
        raise _refused("Web pages, scripts and programs are not accepted.")
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    found = identify(head, file, filename, declared)
    if found is None:
        if not announced:
            raise _refused("This type of file is not accepted. Send it inside a ZIP archive.")
        found = UNKNOWN
    if found.active:
        raise _refused("Web pages, scripts and programs are not accepted.")
    if announced:
        _check_family(declared, found)
    if found.mime_type.startswith("image/"):
        picture = read_picture(file)
        return Inspected(picture.mime_type, picture.extension, picture)
    return Inspected(found.mime_type, found.extension)


def digest_file(file: Path) -> tuple[str, int]:
    """Return SHA-256 (hex) and size in bytes (blocking)."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
        return digest.hexdigest(), opened.tell()


async def write_scratch(
    store: MediaStore, scratch: Path, content: AsyncIterator[bytes], max_bytes: int
) -> tuple[str, int]:
    """Write a stream to `scratch`; returns SHA-256 (hex) and size in bytes. Raises `media_too_large` (413)."""
    digest, size = hashlib.sha256(), 0
    file = await store.run(scratch.open, "xb")
    try:
        async for block in _blocks(content):
            size += len(block)
            if size > max_bytes:
                raise too_large(max_bytes)
            await store.run(_append, file, digest, block)
    finally:
        await store.run(file.close)
    return digest.hexdigest(), size


def too_large(max_bytes: int) -> BlazzError:
    """413: says the limit in a unit people read."""
    shown = f"{max_bytes / 1024 / 1024:.0f} MB" if max_bytes >= 1024 * 1024 else f"{max_bytes / 1024:.0f} KB"
    return BlazzError("media_too_large", f"The file is larger than {shown}.", 413)


async def _blocks(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pending = bytearray()
    async for part in content:
        pending += part
        if len(pending) >= _BLOCK_BYTES:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _append(file: Any, digest: Any, block: bytes) -> None:
    digest.update(block)
    file.write(block)


def _check_family(declared: str, found: FileType) -> None:
    family = declared.partition("/")[0]
    if family in ("image", "video", "audio") and found.mime_type.partition("/")[0] != family:
        raise _refused(f"Announced as {family}, but the content is {found.mime_type}.")


def _refused(detail: str) -> BlazzError:
    return invalid(detail, code="media_type_refused")
