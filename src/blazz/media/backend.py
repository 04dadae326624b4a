"""One place where objects are kept, a directory or an S3 bucket, with the same promises. `store` makes one of two."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory, sync_directory
from blazz.kit.settings import Settings

_CHUNK_BYTES = 256 * 1024
_PAGE = 500  # objects of one listing
_S3_CONNECT = dt.timedelta(seconds=5)
_S3_TIMEOUT = dt.timedelta(seconds=60)  # of one request; large files go in parts
_S3_RETRIES = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing tells it; `size` in bytes."""

    key: str
    size: int


class Backend:
    """Objects under keys. What is put is whole or not there, and survives a power cut."""

    def __init__(self, name: str, objects: ObjectStore, directory: Path | None = None) -> None:
        """`name` is what operators call the place; `directory` is set when it is on this machine's file system."""
        self.name = name
        self.directory = directory
        self._objects = objects

    @classmethod
    def disk(cls, directory: Path) -> Backend:
        """Return the objects in a directory, which is made with mode 0700."""
        found = private_directory(directory).resolve()
        return cls(str(found), LocalStore(prefix=found), found)

    @classmethod
    def bucket(cls, settings: Settings, *, signed: bool = True) -> Backend:
        """Return the objects in the bucket of the settings, as a stranger sees them when not `signed`.

        Raises BlazzError `media_bucket_needed`.
        """
        return cls(bucket_name(settings), _bucket(settings, signed=signed))

    async def put(self, key: str, content: Path | bytes) -> None:
        """Store a file (streamed) or bytes under `key`, durably. What is there under the key is replaced.

        Raises BlazzError `media_store_failed` (503) when disk or bucket refuses.
        """
        try:
            await obstore.put_async(self._objects, key, content)
            await self.make_durable(key)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise failed() from error

    async def make_durable(self, key: str) -> None:
        """Return when an object survives a power cut; a bucket's always does. Raises FileNotFoundError."""
        if self.directory is not None:
            await asyncio.to_thread(_make_durable, self.directory / key)

    async def check_out(self, key: str, target: Path) -> None:
        """Give the object a name of its own at `target`. Raises FileNotFoundError, BlazzError `media_store_failed`."""
        try:
            if self.directory is not None:
                await asyncio.to_thread(_link, self.directory / key, target)
                return
            with await asyncio.to_thread(target.open, "xb") as file:
                async for chunk in self.get(key):
                    await asyncio.to_thread(file.write, chunk)
        except FileNotFoundError:
            await asyncio.to_thread(target.unlink, missing_ok=True)
            raise
        except (obstore.exceptions.BaseError, OSError) as error:
            await asyncio.to_thread(target.unlink, missing_ok=True)
            raise failed() from error

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive) of an object, which must not be empty.

        Raises FileNotFoundError before the first of them.
        """
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

    async def list(self, prefix: str) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the objects beneath `prefix` (whole parts of a key), some hundred at a time."""
        async for page in obstore.list(self._objects, prefix, chunk_size=_PAGE):
            yield [StoredObject(entry["path"], entry["size"]) for entry in page]


def bucket_name(settings: Settings) -> str:
    """Return how operators write the bucket of the settings: `s3://bucket/prefix`."""
    prefix = (settings.media_s3_prefix or "").strip("/")
    return f"s3://{settings.media_s3_bucket}" + (f"/{prefix}" if prefix else "")


def failed() -> BlazzError:
    """Return the error for a disk or bucket that refuses."""
    return BlazzError("media_store_failed", "The file could not be stored.", 503)


def unavailable_place(place: Backend, error: Exception) -> BlazzError:
    """Return the error for a backend that does not answer a listing or a look, in words for operators."""
    reason = " ".join(str(error).split())[:800]  # an S3 service answers with lines of XML
    return BlazzError("media_store_failed", f"{place.name} does not answer as it should ({reason}).", 503)


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


def _bucket(settings: Settings, *, signed: bool) -> S3Store:
    if not settings.media_s3_bucket:
        raise BlazzError("media_bucket_needed", "Set BLAZZ_MEDIA_S3_BUCKET, or BLAZZ_MEDIA_STORE=disk.", 500)
    endpoint = settings.media_s3_endpoint
    given = {
        "endpoint": endpoint,
        "region": settings.media_s3_region,
        "access_key_id": settings.media_s3_access_key if signed else None,
        "secret_access_key": settings.media_s3_secret_key if signed else None,
    }
    return S3Store(
        settings.media_s3_bucket,
        prefix=settings.media_s3_prefix,
        skip_signature=not signed,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": _S3_CONNECT,
            "timeout": _S3_TIMEOUT,
        },
        retry_config={"max_retries": 3, "retry_timeout": _S3_RETRIES},
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
