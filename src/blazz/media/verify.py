"""Whether the files that rows name are in the store, whole."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import obstore
from sqlalchemy import RowMapping

from blazz.kit.db import Tx
from blazz.media import repository_verify as repository
from blazz.media.backend import unavailable_place
from blazz.media.moving import digest_at
from blazz.media.store import MediaStore

_PAGE = 500
_AT_ONCE = 8

Read = Callable[[Callable[[Tx], Sequence[RowMapping]]], Awaitable[Sequence[RowMapping]]]
"""Asks the database (platform scope)."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one file that a row names; `problem` is empty when all is well."""

    path: str
    problem: str = ""


async def verify_files(read: Read, store: MediaStore, *, content: bool) -> AsyncIterator[Sequence[Verified]]:
    """Yield what was found, some hundred files at a time: each is there in its size, and with `content` unaltered.

    `content` reads all files. Raises BlazzError `media_store_failed` (503) when the store does not answer.
    """
    for question in (repository.originals, repository.converted):
        after: uuid.UUID | None = None
        while rows := await read(lambda tx, ask=question, last=after: ask(tx, last, _PAGE)):  # type: ignore[misc]
            after = rows[-1]["id"]
            limit = asyncio.Semaphore(_AT_ONCE)

            async def look(row: RowMapping, limit: asyncio.Semaphore = limit) -> Verified:
                async with limit:
                    return Verified(row["path"], await _problem(store, row, content))

            yield await asyncio.gather(*(look(row) for row in rows))


async def _problem(store: MediaStore, row: RowMapping, content: bool) -> str:
    try:
        size = await store.size(row["path"])
    except (obstore.exceptions.BaseError, OSError) as error:
        raise unavailable_place(store.backend, error) from error
    if size is None:
        return "missing"
    if size != row["size"]:
        return f"{size} bytes instead of {row['size']}"
    if not content or row["sha256"] is None:
        return ""
    places = [store.backend, *([store.second] if store.second is not None else [])]
    for place in places:
        if (digest := await digest_at(place, row["path"])) is not None:
            return "" if digest == row["sha256"] else f"damaged in {place.name}"
    return "missing"
