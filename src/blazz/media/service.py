"""Rules of media: taking uploads in, showing what is here, handing files to senders.

Fetching the files of inbound messages is in `downloads`; its functions are offered here too.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz.kit.db import Database, Tx, Workspace, Workspaces
from blazz.kit.errors import BlazzError, conflict, not_found
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import repository
from blazz.media.downloads import DownloadJob, PendingDownload, claim_downloads, complete, fail, plan_downloads
from blazz.media.inspection import Inspected, inspect_file, write_scratch
from blazz.media.pictures import jpeg_of
from blazz.media.store import MediaStore, thumbnail_key
from blazz.media.storing import store_content

__all__ = [
    "DownloadJob",
    "FileForSending",
    "MediaStatus",
    "MediaSummary",
    "PendingDownload",
    "claim_downloads",
    "complete",
    "facts_for_sending",
    "fail",
    "file_for_sending",
    "get",
    "plan_downloads",
    "summaries",
    "upload",
]


MediaStatus = Literal["pending", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class MediaSummary:
    """What a message shows of its file. `thumbnail` is a tiny WebP to show until the file is loaded."""

    id: uuid.UUID
    mime_type: str
    filename: str | None
    size: int | None
    width: int | None
    height: int | None
    thumbnail: bytes | None
    status: Literal["pending", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class FileForSending:
    """A file that may be sent: `key` is its place in the store. `thumbnail` is a JPEG, as WhatsApp wants it."""

    key: str
    mime_type: str
    filename: str | None
    size: int
    width: int | None
    height: int | None
    thumbnail: bytes | None = None


def get(tx: Tx, media_id: uuid.UUID) -> RowMapping:
    """Return a file of this workspace. Raises BlazzError `not_found`."""
    row = repository.find(tx, tx.workspace_id, media_id)
    if row is None:
        raise not_found("file")
    return row


def summaries(
    tx: Tx, workspace_ids: Collection[uuid.UUID], media_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, MediaSummary]:
    """Return what messages show of these files, in one statement."""
    if not media_ids:
        return {}
    return {row["id"]: MediaSummary(**row) for row in repository.find_many(tx, workspace_ids, media_ids)}


def facts_for_sending(tx: Tx, media_id: uuid.UUID, workspace_id: uuid.UUID | None = None) -> FileForSending:
    """Return a file that is here, without its thumbnail. `workspace_id` may be left out in a unit bound to one.

    Raises BlazzError `not_found`, or `media_not_ready` (409) when the file is not here or never came.
    """
    row = repository.find(tx, workspace_id or tx.workspace_id, media_id)
    if row is None:
        raise not_found("file")
    if row["status"] != "completed" or row["path"] is None:
        raise conflict("media_not_ready", "This file is not here (yet), so it cannot be sent.")
    return FileForSending(
        row["path"], row["mime_type"], row["filename"], row["size"], row["width"], row["height"], row["thumbnail"]
    )


async def file_for_sending(
    database: Database, store: MediaStore, workspace_id: uuid.UUID, media_id: uuid.UUID
) -> FileForSending:
    """Return a file that is here with a small JPEG of it. Raises like `facts_for_sending`."""
    found = await database.read(Workspaces.of([workspace_id]), facts_for_sending, media_id, workspace_id)
    jpeg = None
    if found.thumbnail is not None:
        preview = store.path_of(thumbnail_key(found.key))
        jpeg = await store.run(jpeg_of, preview)
    return FileForSending(found.key, found.mime_type, found.filename, found.size, found.width, found.height, jpeg)


async def upload(
    database: Database,
    store: MediaStore,
    settings: Settings,
    scope: Workspace,
    content: AsyncIterator[bytes],
    filename: str | None,
    declared_type: str | None,
) -> RowMapping:
    """Take a file in and return its row. The type is decided by the content; equal content is stored once.

    Raises BlazzError `media_too_large` (413), `media_empty`, `media_type_refused` or `media_unreadable` (422).
    """
    scratch = store.scratch_file()
    try:
        sha256, size = await write_scratch(store, scratch, content, settings.media_max_bytes)
        return await keep(database, store, scope, scratch, sha256, size, filename, declared_type)
    finally:
        await store.run(scratch.unlink, missing_ok=True)


async def keep(
    database: Database,
    store: MediaStore,
    scope: Workspace,
    file: Path,
    sha256: str,
    size: int,
    filename: str | None,
    declared_type: str | None,
) -> RowMapping:
    """Take in a file that is on this disk already; it stays where it is. Raises like `upload`, except for its size."""
    if not size:
        raise BlazzError("media_empty", "The file is empty.", 422)
    inspected = await store.run(inspect_file, file, filename, declared_type)
    key = await store_content(database, store, scope.id, file, sha256, inspected)
    return await database.write(scope, _insert, inspected, key, sha256, size, (filename or "")[:255] or None)


def _insert(tx: Tx, inspected: Inspected, key: str, sha256: str, size: int, filename: str | None) -> RowMapping:
    for row in repository.with_content(tx, tx.workspace_id, sha256):
        if row["source"] == "upload" and (row["mime_type"], row["filename"]) == (inspected.mime_type, filename):
            return row
    media_id = uuid7()
    row_values: dict[str, Any] = {
        "id": media_id,
        "workspace_id": tx.workspace_id,
        "filename": filename,
        "source": "upload",
        "created_at": utc_now(),
        **inspected.columns(key, sha256, size),
    }
    repository.insert_media(tx, [row_values])
    return get(tx, media_id)
