"""Rules of media: taking uploads in, showing what is here, handing files to senders.

Fetching the files of inbound messages is in `downloads`, what is fetched by address or made of a file in `jobs`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz.kit.db import Database, Tx, Workspace, Workspaces
from blazz.kit.errors import BlazzError, conflict, not_found
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import jobs, repository, repository_jobs
from blazz.media.downloads import (
    DownloadJob,
    PendingDownload,
    claim_downloads,
    complete,
    fail,
    plan_downloads,
    renew,
    want,
)
from blazz.media.inspection import Inspected, inspect_file, write_scratch
from blazz.media.jobs import JobTask
from blazz.media.pictures import jpeg_of
from blazz.media.processing.orders import PDF, Task
from blazz.media.store import MediaStore, thumbnail_key
from blazz.media.storing import store_content

__all__ = [
    "DownloadJob",
    "FileForSending",
    "JobState",
    "MediaStatus",
    "MediaSummary",
    "PendingDownload",
    "Task",
    "claim_downloads",
    "complete",
    "expect_file",
    "facts_for_sending",
    "fail",
    "file_for_sending",
    "get",
    "have_made",
    "made_of",
    "plan_downloads",
    "renew",
    "summaries",
    "try_again",
    "upload",
    "want",
]


_LOOK = dt.timedelta(seconds=10)  # a document waits so long for what its first page looks like

MediaStatus = Literal["remote", "pending", "completed", "failed"]
"""`remote`: on WhatsApp's media host only, fetched when somebody wants it."""


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a job on a file is that has not succeeded (yet). `progress` in per cent."""

    state: Literal["pending", "processing", "failed"]
    progress: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class MediaSummary:
    """What a message shows of its file. `thumbnail` is a tiny WebP or JPEG to show until the file is loaded.

    `details` may hold seconds, waveform, pages and animated; `jobs` those that are open or failed, by task.
    """

    id: uuid.UUID
    mime_type: str
    filename: str | None
    size: int | None
    width: int | None
    height: int | None
    thumbnail: bytes | None
    status: MediaStatus
    failure: str | None = None
    details: Mapping[str, Any] | None = None
    jobs: Mapping[str, JobState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileForSending:
    """A file that may be sent: `key` is its place in the store. `thumbnail` is a JPEG, as WhatsApp wants it.

    `details` may hold seconds, waveform, pages, animated, and `plain` for a picture that needs no work.
    """

    key: str
    mime_type: str
    filename: str | None
    size: int
    width: int | None
    height: int | None
    thumbnail: bytes | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def get(tx: Tx, media_id: uuid.UUID) -> RowMapping:
    """Return a file of this workspace. Raises BlazzError `not_found`."""
    row = repository.find(tx, tx.workspace_id, media_id)
    if row is None:
        raise not_found("file")
    return row


def summaries(
    tx: Tx, workspace_ids: Collection[uuid.UUID], media_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, MediaSummary]:
    """Return what messages show of these files, in two statements."""
    if not media_ids:
        return {}
    open_jobs: dict[uuid.UUID, dict[str, JobState]] = {}
    for row in repository_jobs.unfinished_jobs(tx, workspace_ids, media_ids):
        found = JobState(row["state"], row["progress"], row["failure"])
        open_jobs.setdefault(row["media_id"], {})[row["task"]] = found
    rows = repository.find_many(tx, workspace_ids, media_ids)
    return {row["id"]: MediaSummary(**row, jobs=open_jobs.get(row["id"], {})) for row in rows}


def expect_file(tx: Tx, url: str, family: str, filename: str | None) -> uuid.UUID:
    """Have a file fetched by its address, which was checked for its form; returns its id.

    `family` is image, video, audio, or application for any; a file of another one fails.
    """
    media_id = uuid7()
    row = {"id": media_id, "workspace_id": tx.workspace_id, "mime_type": f"{family}/*", "filename": filename}
    repository.insert_media(tx, [{**row, "status": "pending", "source": "link", "created_at": utc_now()}])
    jobs.plan(tx, tx.workspace_id, media_id, "fetch", url)
    return media_id


def have_made(tx: Tx, media_id: uuid.UUID, task: Task) -> None:
    """Have made of a file what a way of sending needs; nothing happens when it is made already."""
    jobs.plan(tx, tx.workspace_id, media_id, task)


def try_again(tx: Tx, media_id: uuid.UUID, task: Task | None) -> None:
    """Fetch and make again what has failed."""
    fetching = repository_jobs.find_job(tx, tx.workspace_id, media_id, "fetch")
    if fetching is not None and fetching["state"] == "failed":
        jobs.plan(tx, tx.workspace_id, media_id, "fetch")
    if task is not None:
        jobs.plan(tx, tx.workspace_id, media_id, task)


def made_of(tx: Tx, media_id: uuid.UUID, task: JobTask) -> RowMapping | None:
    """Return what a task made of a file of this workspace, when that is another file than the original."""
    row = repository_jobs.find_job(tx, tx.workspace_id, media_id, task)
    return row if row is not None and row["state"] == "completed" and row["path"] is not None else None


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
        row["path"],
        row["mime_type"],
        row["filename"],
        row["size"],
        row["width"],
        row["height"],
        row["thumbnail"],
        row["details"] or {},
    )


async def file_for_sending(
    database: Database, store: MediaStore, workspace_id: uuid.UUID, media_id: uuid.UUID, task: Task | None = None
) -> FileForSending:
    """Return what `task` made of a file (the original without a task, or when it does), with a small JPEG of it.

    Raises BlazzError `not_found`; `media_failed` (422) with the reason; `media_pending` (503) while it is fetched or
    made.
    """
    found = await database.read(Workspaces.of([workspace_id]), _for_sending, workspace_id, media_id, task)
    if found.thumbnail is None or found.thumbnail.startswith(b"\xff\xd8"):
        return found
    preview = await store.read(thumbnail_key(found.key))
    return replace(found, thumbnail=await store.run(jpeg_of, preview) if preview is not None else None)


def _for_sending(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, task: Task | None) -> FileForSending:
    row = repository.find(tx, workspace_id, media_id)
    if row is None:
        raise not_found("file")
    if row["status"] == "failed":
        raise BlazzError("media_failed", row["failure"] or "The file could not be had.", 422)
    job = repository_jobs.find_job(tx, workspace_id, media_id, task) if task is not None else None
    if job is not None and job["state"] == "failed":
        raise BlazzError("media_failed", job["failure"] or "The file could not be converted.", 422)
    if row["status"] != "completed" or (job is not None and job["state"] != "completed"):
        raise BlazzError("media_pending", "The file is still being fetched or converted.", 503)
    original = facts_for_sending(tx, media_id, workspace_id)
    if job is None:
        if task is None and original.mime_type == PDF and _just_looked_at(tx, workspace_id, media_id):
            raise BlazzError("media_pending", "The document's pages are still being counted.", 503)
        return original
    details = {**original.details, **(job["details"] or {})}
    if job["path"] is None:
        return replace(original, thumbnail=job["thumbnail"] or original.thumbnail, details=details)
    return FileForSending(
        job["path"],
        job["mime_type"],
        original.filename,
        job["size"],
        job["width"],
        job["height"],
        job["thumbnail"],
        details,
    )


def _just_looked_at(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID) -> bool:
    """Tell whether a file is being looked at since a moment ago. Without any worker nothing waits for long."""
    job = repository_jobs.find_job(tx, workspace_id, media_id, "probe")
    return job is not None and job["state"] in ("pending", "processing") and job["created_at"] > utc_now() - _LOOK


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
    row = await database.write(scope, _insert, inspected, key, sha256, size, (filename or "")[:255] or None)
    if await store.size(key) is None:  # removed as unused a moment before this row came to use it
        await store.put(key, file)
    return row


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
    jobs.plan_probe(tx, tx.workspace_id, media_id, inspected.mime_type, sent_soon=True)
    return get(tx, media_id)
