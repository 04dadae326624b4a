"""Fetching the files of inbound messages: planned with the message, claimed when due, completed or given up."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from blazz import events
from blazz.events import Wakeups
from blazz.kit.db import Database, Platform, Tx, Workspaces
from blazz.kit.errors import BlazzError, invalid
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.media import jobs, repository
from blazz.media.inspection import Inspected, digest_file, inspect_file
from blazz.media.store import MediaStore
from blazz.media.storing import store_content

GIVE_UP_AFTER = dt.timedelta(hours=24)
_FIRST_RETRY_S = 30.0  # also the time that one attempt has before another may begin
_LAST_RETRY_S = 3600.0
_THUMBNAIL_MAX = 8192  # bytes, what the column holds
WANTED = "media-wanted"
"""Topic of wake-ups: a file is wanted that would not be fetched by itself."""
_NOBODY_WANTS_IT = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PendingDownload:
    """A file that a message announces. `reference` is sealed under the context `media:{media_id}`; `size` in bytes."""

    media_id: uuid.UUID
    workspace_id: uuid.UUID
    account_id: uuid.UUID
    message_id: uuid.UUID
    reference: bytes
    mime_type: str
    filename: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None  # the small JPEG that came with the message
    details: Mapping[str, Any] | None = None  # seconds, waveform, animated, as the message says
    on_demand: bool = False  # fetched only when somebody wants it


@dataclass(frozen=True, slots=True)
class DownloadJob:
    """A download to be tried now. `reference` is sealed; `attempts` counts this one."""

    media_id: uuid.UUID
    workspace_id: uuid.UUID
    account_id: uuid.UUID
    message_id: uuid.UUID
    reference: bytes
    mime_type: str
    filename: str | None
    size: int | None
    attempts: int


def plan_downloads(tx: Tx, pending: Sequence[PendingDownload]) -> None:
    """Insert files that are not here yet, and what fetches them; two statements for any number."""
    if not pending:
        return
    now = utc_now()
    repository.insert_media(
        tx,
        [
            {
                "id": item.media_id,
                "workspace_id": item.workspace_id,
                "mime_type": item.mime_type,
                "filename": item.filename,
                "size": item.size,
                "width": item.width,
                "height": item.height,
                "thumbnail": item.thumbnail if len(item.thumbnail or b"") <= _THUMBNAIL_MAX else None,
                "details": dict(item.details) if item.details else None,
                "status": "remote" if item.on_demand else "pending",
                "source": "whatsapp",
                "created_at": now,
            }
            for item in pending
        ],
    )
    repository.insert_downloads(
        tx,
        [
            {
                "id": uuid7(),
                "workspace_id": item.workspace_id,
                "media_id": item.media_id,
                "account_id": item.account_id,
                "message_id": item.message_id,
                "reference": item.reference,
                "attempts": 0,
                "due_at": _NOBODY_WANTS_IT if item.on_demand else now,
                "created_at": now,
            }
            for item in pending
        ],
    )


def want(tx: Tx, media_id: uuid.UUID) -> bool:
    """Have a file fetched that is on WhatsApp's media host only; False when it is here, on its way, or lost."""
    row = repository.find(tx, tx.workspace_id, media_id)
    if row is None or row["status"] != "remote":
        return False
    if not repository.hasten_download(tx, tx.workspace_id, media_id, utc_now()):
        return False
    repository.change(tx, tx.workspace_id, media_id, {"status": "pending"})
    Wakeups.shared().notify_after_commit(tx, WANTED)
    return True


def claim_downloads(tx: Tx, now: dt.datetime, limit: int, account_ids: Collection[uuid.UUID]) -> list[DownloadJob]:
    """Return downloads of these accounts that are due; each is due again after its back-off unless it is completed.

    What was not fetched within 24 hours is given up here and not returned.
    """
    if not account_ids:
        return []
    rows = repository.due_downloads(tx, _workspaces(tx), account_ids, now, limit)
    claimed, attempts = [], []
    for row in rows:
        job = DownloadJob(
            row["media_id"],
            row["workspace_id"],
            row["account_id"],
            row["message_id"],
            row["reference"],
            row["mime_type"],
            row["filename"],
            row["size"],
            row["attempts"] + 1,
        )
        if row["created_at"] < now - GIVE_UP_AFTER:
            fail(tx, job, "Not fetched within 24 hours.")
            continue
        claimed.append(job)
        attempts.append(
            {
                "workspace": row["workspace_id"],
                "download": row["id"],
                "tried": job.attempts,
                "next": now + dt.timedelta(seconds=_retry_s(job.attempts)),
            }
        )
    if attempts:
        repository.note_attempts(tx, attempts)
    return claimed


async def complete(database: Database, store: MediaStore, job: DownloadJob, file: Path) -> bool:
    """Take the fetched file in (it is removed) and tell who waits for it; False when its content was refused.

    Content that is no file of the announced type, damaged, or active (HTML, SVG) ends the file as `failed`: the
    message stays shown without it. Raises BlazzError `media_store_failed` when the disk refuses; try again later.
    """
    scope = Workspaces.of([job.workspace_id])
    try:
        sha256, size = await store.run(digest_file, file)
        if not size:
            raise invalid("The file is empty.", code="media_empty")
        inspected = await store.run(inspect_file, file, job.filename, job.mime_type, announced=True)
        key = await store_content(database, store, job.workspace_id, file, sha256, inspected)
    except BlazzError as error:
        if error.status >= 500:
            raise
        _log.warning("inbound file refused", media_id=str(job.media_id), code=error.code)
        await database.write(scope, fail, job, error.detail)
        return False
    finally:
        await store.run(file.unlink, missing_ok=True)
    await database.write(scope, _completed, job, inspected, key, sha256, size)
    return True


def renew(tx: Tx, job: DownloadJob, reference: bytes) -> None:
    """Fetch the file from another place from now on, at once. `reference` is sealed like the job's."""
    repository.renew_download(tx, job.workspace_id, job.media_id, reference, utc_now())


def fail(tx: Tx, job: DownloadJob, reason: str) -> None:
    """Give a download up for good; the message stays shown without its file. Nothing happens when it had ended."""
    if not repository.delete_download(tx, job.workspace_id, job.media_id):
        return
    repository.change(tx, job.workspace_id, job.media_id, {"status": "failed", "failure": reason[:255]})
    _announce(tx, job, "failed")


def _completed(tx: Tx, job: DownloadJob, inspected: Inspected, key: str, sha256: str, size: int) -> None:
    if not repository.delete_download(tx, job.workspace_id, job.media_id):
        return
    before = repository.find(tx, job.workspace_id, job.media_id)
    columns = inspected.columns(key, sha256, size)
    known = (before["details"] or {}) if before is not None else {}
    columns["details"] = {**known, **columns.get("details", {})}
    repository.change(tx, job.workspace_id, job.media_id, columns)
    if before is None or (before["thumbnail"] is None and "waveform" not in known):
        jobs.plan_probe(tx, job.workspace_id, job.media_id, inspected.mime_type)
    _announce(tx, job, "completed")


def _announce(tx: Tx, job: DownloadJob, status: str) -> None:
    data: dict[str, Any] = {"media_id": str(job.media_id), "message_id": str(job.message_id), "status": status}
    events.append(tx, "media.updated", data, workspace_id=job.workspace_id, account_id=job.account_id)


def _retry_s(attempts: int) -> float:
    wait = min(_FIRST_RETRY_S * 2.0 ** min(attempts - 1, 10), _LAST_RETRY_S)
    return wait * random.uniform(0.9, 1.1)  # noqa: S311


def _workspaces(tx: Tx) -> Collection[uuid.UUID] | None:
    if isinstance(tx.scope, Platform):
        return None
    return tx.scope.ids if isinstance(tx.scope, Workspaces) else [tx.scope.id]
