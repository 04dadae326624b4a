"""Object storage of media files: originals and thumbnails, by keys that name workspace, month and content."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import obstore
from obstore.store import LocalStore

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory, sync_directory
from blazz.kit.ids import uuid7

P = ParamSpec("P")
T = TypeVar("T")

_CHUNK_BYTES = 256 * 1024
_THREADS = 2  # pictures are decoded here: each may take 150 MB for a moment
_STALE_S = 24 * 3600.0


def original_key(workspace_id: uuid.UUID, sha256: str, extension: str, now: dt.datetime) -> str:
    """Return the key of an original: `original/{workspace}/{YYYY}/{MM}/{sha256}.{ext}`."""
    return f"original/{workspace_id}/{now:%Y}/{now:%m}/{sha256}.{extension}"


def thumbnail_key(original: str) -> str:
    """Return the key of the thumbnail (WebP) that belongs to an original."""
    return "thumbs/" + original.removeprefix("original/").rpartition(".")[0] + ".webp"


class MediaStore:
    """Files beneath one directory. Nothing here blocks the event loop; what was put survives a power cut."""

    def __init__(self, directory: Path, objects: LocalStore) -> None:
        self._directory = directory
        self._objects = objects
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="media")

    @classmethod
    def open(cls, media_dir: Path) -> MediaStore:
        """Open the store in `media_dir` (made with mode 0700) and forget uploads that a day-old process left behind."""
        directory = private_directory(media_dir).resolve()
        store = cls(directory, LocalStore(prefix=directory))
        scratch = private_directory(store._scratch)
        oldest = dt.datetime.now(dt.UTC).timestamp() - _STALE_S
        for left_behind in scratch.iterdir():
            if left_behind.stat().st_mtime < oldest:
                left_behind.unlink(missing_ok=True)
        return store

    @property
    def _scratch(self) -> Path:
        return self._directory / "tmp"

    def scratch_file(self) -> Path:
        """Return a fresh path on the store's file system for a file that is being received."""
        return self._scratch / str(uuid7())

    def path_of(self, key: str) -> Path:
        """Return the file of an object, to be linked or copied on this machine; it must never be written."""
        return self._directory / key

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file or picture work in one of the store's two threads."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))

    async def put(self, key: str, content: Path | bytes) -> None:
        """Store a file (streamed) or bytes under `key`, durably. What is there under the key is replaced.

        Raises BlazzError `media_store_failed` (503) when the disk refuses.
        """
        try:
            await obstore.put_async(self._objects, key, content)
            await self.run(_make_durable, self.path_of(key))
        except (obstore.exceptions.BaseError, OSError) as error:
            raise BlazzError("media_store_failed", "The file could not be stored.", 503) from error

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive) of an object, which must not be empty."""
        if end is None:
            result = await obstore.get_async(self._objects, key)
        else:
            result = await obstore.get_async(self._objects, key, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)

    async def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        try:
            return int((await obstore.head_async(self._objects, key))["size"])
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        try:
            await obstore.delete_async(self._objects, key)
        except FileNotFoundError:
            return

    def close(self) -> None:
        """End the threads once their work is done."""
        self._executor.shutdown(wait=True)


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
