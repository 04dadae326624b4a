"""Moving files from one backend to the other: copied, read back, compared by SHA-256, and only then removed.

Every file is moved by itself and what was moved is gone from the source, so a run that was cut off at any point is
taken up by running it again. Both backends may be read meanwhile: a file is in one of them at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import obstore

from blazz.kit import failpoints
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.media.backend import Backend, StoredObject, unavailable_place
from blazz.media.store import ROOTS

_AT_ONCE = 4
MOST_PROBLEMS = 1000
"""A move that leaves more files than this where they are ends: something is wrong with a whole backend."""


@dataclass(slots=True)
class Moved:
    """What a move has done so far. `bytes` is the size of `files` together; `problems` says by key why one stayed."""

    files: int = 0
    bytes: int = 0
    problems: dict[str, str] = field(default_factory=dict)


async def move(source: Backend, target: Backend, scratch: Path, on_progress: Callable[[Moved], None]) -> Moved:
    """Move all files of messages; `scratch` is a directory on this machine for files in passing.

    A file whose content is not what it should be, or that is there with other content already, stays in the source.
    Raises BlazzError `media_store_failed` (503) when a backend does not answer, `media_move_problems` (409) when more
    than 1000 files stayed: run it again afterwards.
    """
    moved = Moved()
    for root in ROOTS:
        # a listing of what is being changed may skip entries
        while await _pass(source, target, root, scratch, moved, on_progress):
            pass
    return moved


async def _pass(
    source: Backend, target: Backend, root: str, scratch: Path, moved: Moved, on_progress: Callable[[Moved], None]
) -> bool:
    """Go through one listing; returns whether a file was moved."""
    before = moved.files
    try:
        async for page in source.list(root):
            await _page(source, target, [one for one in page if one.key not in moved.problems], scratch, moved)
            on_progress(moved)
            if len(moved.problems) > MOST_PROBLEMS:
                raise BlazzError(
                    "media_move_problems", f"More than {MOST_PROBLEMS} files cannot be moved; the rest was left.", 409
                )
    except (obstore.exceptions.BaseError, OSError) as error:
        raise unavailable_place(source, error) from error
    return moved.files > before


async def _page(source: Backend, target: Backend, page: Sequence[StoredObject], scratch: Path, moved: Moved) -> None:
    waiting = iter(page)

    async def work() -> None:
        for one in waiting:  # shared by all: each takes the next
            problem = await _move_one(source, target, one, scratch / str(uuid7()))
            if problem is None:
                moved.files, moved.bytes = moved.files + 1, moved.bytes + one.size
            elif problem:
                moved.problems[one.key] = problem

    working = [asyncio.create_task(work(), name="media-move") for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*working)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _move_one(source: Backend, target: Backend, one: StoredObject, passing: Path) -> str | None:
    """Move a file by way of `passing`; returns why it stayed, None when it was moved, "" when it is not there."""
    try:
        with _naming(source):
            await source.check_out(one.key, passing)
        return await _put(source, target, one.key, passing)
    except FileNotFoundError:  # removed, or moved by another run, a moment ago
        return ""
    finally:
        await asyncio.to_thread(passing.unlink, missing_ok=True)


@contextlib.contextmanager
def _naming(place: Backend) -> Iterator[None]:
    """Say of a failure where it happened, and why."""
    try:
        yield
    except BlazzError as error:
        if isinstance(error.__cause__, Exception):
            raise unavailable_place(place, error.__cause__) from error
        raise


async def _put(source: Backend, target: Backend, key: str, file: Path) -> str | None:
    content = await asyncio.to_thread(_digest_of, file)
    expected = _named(key) or content
    if content != expected:
        return "damaged: its content is not what its name says"
    there = await digest_at(target, key)
    if there is not None and there != content:
        if _named(key) is None:
            return f"{target.name} has other content under this name, which is the one that is read"
        there = None  # by its name we know which of the two is right
    if there is None:
        with _naming(target):
            await target.put(key, file)
        failpoints.reach("media.moved_unverified")
        there = await digest_at(target, key)
    else:
        await target.make_durable(key)  # the run that put it may have been cut off before
    if there != content:
        return f"{target.name} did not give back what was stored; is it being written by something else?"
    failpoints.reach("media.moved_not_removed")
    await source.delete(key)
    return None


async def digest_at(place: Backend, key: str) -> str | None:
    """Return an object's SHA-256 in hexadecimal, None without an object. Raises BlazzError `media_store_failed`."""
    digest = hashlib.sha256()
    try:
        async for chunk in place.get(key):
            digest.update(chunk)
    except FileNotFoundError:
        return None
    except (obstore.exceptions.BaseError, OSError) as error:
        raise unavailable_place(place, error) from error
    return digest.hexdigest()


def _digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _named(key: str) -> str | None:
    """Return the SHA-256 that an original has as its name; what was made of one has none."""
    if not key.startswith("original/"):
        return None
    return key.rpartition("/")[2].partition(".")[0]
