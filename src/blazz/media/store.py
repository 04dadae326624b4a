"""Object storage of media files, on disk or S3: by keys that name what it is, workspace, month and content."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.media.backend import Backend

P = ParamSpec("P")
T = TypeVar("T")

ROOTS = ("original", "compressed", "thumbs")
"""What all keys begin with; nothing else beneath the store is a file of a message."""

_THREADS = 2  # pictures are decoded here: each may take 150 MB for a moment
_STALE_S = 24 * 3600.0


def original_key(workspace_id: uuid.UUID, sha256: str, extension: str, now: dt.datetime) -> str:
    """Return the key of an original: `original/{workspace}/{YYYY}/{MM}/{sha256}.{ext}`."""
    return f"original/{workspace_id}/{now:%Y}/{now:%m}/{sha256}.{extension}"


def thumbnail_key(original: str) -> str:
    """Return the key of the thumbnail (WebP) that belongs to an original."""
    return "thumbs/" + original.removeprefix("original/").rpartition(".")[0] + ".webp"


def compressed_key(original: str, task: str, extension: str) -> str:
    """Return the key of what a task made of an original."""
    return f"compressed/{original.removeprefix('original/').rpartition('.')[0]}.{task}.{extension}"


class MediaStore:
    """Files under their keys. Nothing here blocks the event loop; what was put survives a power cut.

    While files are moved from one backend to another, `second` is the other one: read when the first lacks a file.
    `directory` is on this machine, for files in passing.
    """

    def __init__(self, directory: Path, backend: Backend, second: Backend | None = None) -> None:
        self._directory = directory
        self.backend = backend
        self.second = second
        # asked in this order; the first one again, because a file may be moved between the two questions
        self._places = (backend,) if second is None else (backend, second, backend)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="media")

    @classmethod
    def open(cls, media_dir: Path, backend: Backend | None = None, second: Backend | None = None) -> MediaStore:
        """Open the store in `media_dir` (made with mode 0700), or over `backend` with only its passing files there.

        What a process left behind a day ago is forgotten.
        """
        directory = private_directory(media_dir).resolve()
        store = cls(directory, backend or Backend.disk(directory), second)
        scratch = private_directory(store.scratch)
        oldest = dt.datetime.now(dt.UTC).timestamp() - _STALE_S
        for left_behind in scratch.iterdir():
            if left_behind.stat().st_mtime < oldest:
                left_behind.unlink(missing_ok=True)
        return store

    @classmethod
    def from_settings(cls, settings: Settings) -> MediaStore:
        """Open the store that the settings name. Raises BlazzError `media_bucket_needed`, `media_second_store`."""
        kinds = {"disk": lambda: Backend.disk(settings.media_dir), "s3": lambda: Backend.bucket(settings)}
        second = settings.media_second_store
        if second == settings.media_store:
            raise BlazzError(
                "media_second_store",
                f"BLAZZ_MEDIA_STORE and BLAZZ_MEDIA_SECOND_STORE are both {second}; the second is the other one.",
                500,
            )
        return cls.open(
            settings.media_dir, kinds[settings.media_store](), kinds[second]() if second is not None else None
        )

    @property
    def scratch(self) -> Path:
        """The directory of files in passing."""
        return self._directory / "tmp"

    def scratch_file(self) -> Path:
        """Return a fresh path for a file in passing, on the file system of a store on disk."""
        return self.scratch / str(uuid7())

    async def check_out(self, key: str, target: Path) -> None:
        """Give the object a name of its own at `target` on this machine; it must not be written there.

        Raises FileNotFoundError when there is none, BlazzError `media_store_failed` (503).
        """
        for place in self._places[:-1]:
            with contextlib.suppress(FileNotFoundError):
                await place.check_out(key, target)
                return
        await self._places[-1].check_out(key, target)

    async def read(self, key: str) -> bytes | None:
        """Return a small object whole, or None when there is none."""
        try:
            return b"".join([chunk async for chunk in self.get(key)])
        except FileNotFoundError:
            return None

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file or picture work in one of the store's two threads."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))

    async def put(self, key: str, content: Path | bytes) -> None:
        """Store a file (streamed) or bytes under `key`, durably. What is there under the key is replaced.

        Raises BlazzError `media_store_failed` (503) when the disk refuses.
        """
        await self.backend.put(key, content)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive) of an object, which must not be empty.

        Raises FileNotFoundError before the first of them.
        """
        for place in self._places[:-1]:
            with contextlib.suppress(FileNotFoundError):
                async for chunk in place.get(key, start, end):
                    yield chunk
                return
        async for chunk in self._places[-1].get(key, start, end):
            yield chunk

    async def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        for place in self._places:
            if (size := await place.size(key)) is not None:
                return size
        return None

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        if self.second is not None:
            await self.second.delete(key)  # before the first, or it would be read from here
        await self.backend.delete(key)

    def close(self) -> None:
        """End the threads once their work is done."""
        self._executor.shutdown(wait=True)
