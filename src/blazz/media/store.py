"""Object storage of media files, on disk or S3: by keys that name what it is, workspace, month and content."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory, sync_directory
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

_CHUNK_BYTES = 256 * 1024
_THREADS = 2  # pictures are decoded here: each may take 150 MB for a moment
_STALE_S = 24 * 3600.0
_S3_CONNECT = dt.timedelta(seconds=5)
_S3_TIMEOUT = dt.timedelta(seconds=60)  # of one request; large files go in parts
_S3_RETRIES = dt.timedelta(seconds=60)


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

    `directory` is on this machine: for files in passing, and on disk for all of them.
    """

    def __init__(self, directory: Path, objects: ObjectStore) -> None:
        self._directory = directory
        self._objects = objects
        self._local = isinstance(objects, LocalStore)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="media")

    @classmethod
    def open(cls, media_dir: Path, objects: ObjectStore | None = None) -> MediaStore:
        """Open the store in `media_dir` (made with mode 0700), or over `objects` with only its passing files there.

        What a process left behind a day ago is forgotten.
        """
        directory = private_directory(media_dir).resolve()
        store = cls(directory, objects or LocalStore(prefix=directory))
        scratch = private_directory(store._scratch)
        oldest = dt.datetime.now(dt.UTC).timestamp() - _STALE_S
        for left_behind in scratch.iterdir():
            if left_behind.stat().st_mtime < oldest:
                left_behind.unlink(missing_ok=True)
        return store

    @classmethod
    def from_settings(cls, settings: Settings) -> MediaStore:
        """Open the store that the settings name. Raises BlazzError `media_bucket_needed`."""
        return cls.open(settings.media_dir, _bucket(settings) if settings.media_store == "s3" else None)

    @property
    def _scratch(self) -> Path:
        return self._directory / "tmp"

    def scratch_file(self) -> Path:
        """Return a fresh path for a file in passing, on the file system of a store on disk."""
        return self._scratch / str(uuid7())

    async def check_out(self, key: str, target: Path) -> None:
        """Give the object a name of its own at `target` on this machine; it must not be written there.

        Raises FileNotFoundError when there is none, BlazzError `media_store_failed` (503).
        """
        if self._local:
            await self.run(_link, self._directory / key, target)
            return
        try:
            file = await self.run(target.open, "xb")
            try:
                async for chunk in self.get(key):
                    await self.run(file.write, chunk)
            finally:
                await self.run(file.close)
        except FileNotFoundError:
            await self.run(target.unlink, missing_ok=True)
            raise
        except (obstore.exceptions.BaseError, OSError) as error:
            await self.run(target.unlink, missing_ok=True)
            raise _failed() from error

    async def read(self, key: str) -> bytes | None:
        """Return a small object whole, or None when there is none."""
        try:
            return bytes(await (await obstore.get_async(self._objects, key)).bytes_async())
        except FileNotFoundError:
            return None

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file or picture work in one of the store's two threads."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))

    async def put(self, key: str, content: Path | bytes) -> None:
        """Store a file (streamed) or bytes under `key`, durably. What is there under the key is replaced.

        Raises BlazzError `media_store_failed` (503) when the disk refuses.
        """
        try:
            await obstore.put_async(self._objects, key, content)
            if self._local:
                await self.run(_make_durable, self._directory / key)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _failed() from error

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


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # no hard links between the two
        shutil.copyfile(source, target)


def _failed() -> BlazzError:
    return BlazzError("media_store_failed", "The file could not be stored.", 503)


def _bucket(settings: Settings) -> S3Store:
    if not settings.media_s3_bucket:
        raise BlazzError("media_bucket_needed", "Set BLAZZ_MEDIA_S3_BUCKET, or BLAZZ_MEDIA_STORE=disk.", 500)
    endpoint = settings.media_s3_endpoint
    return S3Store(
        settings.media_s3_bucket,
        prefix=settings.media_s3_prefix,
        endpoint=endpoint,
        region=settings.media_s3_region,
        access_key_id=settings.media_s3_access_key,
        secret_access_key=settings.media_s3_secret_key,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": _S3_CONNECT,
            "timeout": _S3_TIMEOUT,
        },
        retry_config={"max_retries": 3, "retry_timeout": _S3_RETRIES},
    )
