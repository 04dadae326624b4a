"""Jobs on files: planned with a message or an upload, claimed by a worker, finished by a result or a reason."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz import events
from blazz.events import Wakeups
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.media import repository, repository_jobs
from blazz.media.processing.orders import PDF, TIME_LIMIT_S, Made, Task, plays

TOPIC = "media-jobs"
FETCH_LIMIT_S = 180.0
ATTEMPTS = 3
_MARGIN_S = 30.0  # beyond the time limit, before another worker takes a job over
_SENT_SOON_S = 4.0
_AGAIN = dt.timedelta(seconds=20)
_CUT_OFF = "The file could not be processed: every attempt was cut off."

JobTask = Task | Literal["fetch"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job in one attempt (`attempt` counts it). `original` is the file's key; None while it is not fetched."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    media_id: uuid.UUID
    task: JobTask
    attempt: int
    original: str | None
    mime_type: str
    filename: str | None
    url: str | None


def plan(
    tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, task: JobTask, url: str | None = None, wait_s: float = 0.0
) -> None:
    """Have something made of a file, once, not before `wait_s` seconds from now; a failed job is tried anew."""
    now = utc_now() + dt.timedelta(seconds=wait_s)
    known = repository_jobs.find_job(tx, workspace_id, media_id, task)
    if known is None:
        job: dict[str, Any] = {"id": uuid7(), "workspace_id": workspace_id, "media_id": media_id, "task": task}
        job |= {"url": url, "state": "pending", "progress": 0, "attempts": 0, "due_at": now, "created_at": now}
        repository_jobs.insert_jobs(tx, [job])
    elif known["state"] == "failed":
        repository_jobs.reopen_job(tx, workspace_id, known["id"], now)
        if task == "fetch":
            repository.change(tx, workspace_id, media_id, {"status": "pending", "failure": None})
    else:
        return
    Wakeups.shared().notify_after_commit(tx, TOPIC)


def plan_probe(
    tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, mime_type: str, *, sent_soon: bool = False
) -> None:
    """Have a file looked at that is here, when there is something to be seen or heard of it.

    With `sent_soon` a moment later: what is made of it to be sent tells the same, and then nothing is left to do.
    """
    if mime_type == PDF:
        plan(tx, workspace_id, media_id, "probe")
    elif plays(mime_type) and not mime_type.startswith("image/"):
        plan(tx, workspace_id, media_id, "probe", wait_s=_SENT_SOON_S if sent_soon else 0.0)


def any_due(tx: Tx, now: dt.datetime) -> bool:
    """Tell whether a worker could begin something; a look costs less than a claim."""
    return bool(repository_jobs.due_jobs(tx, now, 1))


def claim(tx: Tx, now: dt.datetime, limit: int) -> list[Job]:
    """Take due jobs of any workspace. One whose file is lost, or that was cut off three times, fails here instead."""
    taken = []
    for row in repository_jobs.due_jobs(tx, now, limit):
        task: JobTask = row["task"]
        limit_s = FETCH_LIMIT_S if task == "fetch" else TIME_LIMIT_S[task]
        if not repository_jobs.take_job(tx, row, now + dt.timedelta(seconds=limit_s + _MARGIN_S)):
            continue
        job = _job(row)
        if row["status"] == "failed" and task != "fetch":
            fail(tx, job, "The file itself could not be had.")
        elif job.attempt > ATTEMPTS:
            fail(tx, job, _CUT_OFF)
        else:
            taken.append(job)
            if task not in ("probe", "fetch"):
                announce(tx, job.workspace_id, job.media_id, "processing", task)
    return taken


def complete(tx: Tx, job: Job, made: Made, path: str | None, size: int | None) -> bool:
    """Record what was made; False when another attempt has taken over. `path` is empty when the original does."""
    found = {"seconds": made.seconds, "waveform": made.waveform, "animated": made.animated, "pages": made.pages}
    details = {name: value for name, value in found.items() if value is not None}
    values: dict[str, Any] = {"state": "completed", "progress": 100, "failure": None, "path": path, "size": size}
    values |= {"mime_type": made.mime_type, "width": made.width, "height": made.height}
    values |= {"details": details, "thumbnail": made.jpeg}
    if not repository_jobs.change_job(tx, job.workspace_id, job.id, job.attempt, values):
        return False
    _learn(tx, job, made, details)
    if job.task in ("video", "gif", "audio", "voice"):
        repository_jobs.close_probe(tx, job.workspace_id, job.media_id)
    announce(tx, job.workspace_id, job.media_id, "completed", job.task)
    return True


def fetched(tx: Tx, job: Job, columns: Mapping[str, Any], filename: str | None) -> bool:
    """Record a file that was fetched by its address; False when another attempt has taken over."""
    if not repository_jobs.change_job(
        tx, job.workspace_id, job.id, job.attempt, {"state": "completed", "progress": 100, "url": None}
    ):
        return False
    repository.change(tx, job.workspace_id, job.media_id, {**columns, "filename": job.filename or filename})
    plan_probe(tx, job.workspace_id, job.media_id, columns["mime_type"], sent_soon=True)
    announce(tx, job.workspace_id, job.media_id, "completed", job.task)
    Wakeups.shared().notify_after_commit(tx, TOPIC)
    return True


def fail(tx: Tx, job: Job, reason: str) -> None:
    """Give a job up; a file that cannot be fetched has failed itself. Nothing happens when it had ended."""
    if not repository_jobs.change_job(
        tx, job.workspace_id, job.id, job.attempt, {"state": "failed", "failure": reason[:255]}
    ):
        return
    if job.task == "fetch":
        repository.change(tx, job.workspace_id, job.media_id, {"status": "failed", "failure": reason[:255]})
    announce(tx, job.workspace_id, job.media_id, "failed", job.task)
    Wakeups.shared().notify_after_commit(tx, TOPIC)


def again(tx: Tx, job: Job, now: dt.datetime) -> None:
    """Try a job again a little later, another time than this one."""
    repository_jobs.change_job(
        tx, job.workspace_id, job.id, job.attempt, {"state": "pending", "due_at": now + _AGAIN * job.attempt}
    )


def note_progress(tx: Tx, job: Job, progress: int) -> None:
    """Keep how far a job is, for those who look now; nobody is told."""
    repository_jobs.change_job(tx, job.workspace_id, job.id, job.attempt, {"progress": min(progress, 99)})


def announce(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, status: str, task: str) -> None:
    """Tell that the state of a file has changed."""
    data: dict[str, Any] = {"media_id": str(media_id), "status": status, "task": task}
    events.append(tx, "media.updated", data, workspace_id=workspace_id)


def _learn(tx: Tx, job: Job, made: Made, details: Mapping[str, Any]) -> None:
    """Keep with the file what people want to see of it, where it is not known yet."""
    row = repository.find(tx, job.workspace_id, job.media_id)
    if row is None or job.task in ("image", "sticker"):
        return
    seen: dict[str, Any] = {"details": {**details, **(row["details"] or {})}}
    if row["width"] is None and made.width is not None and job.task != "note":
        seen |= {"width": made.width, "height": made.height}
    if row["thumbnail"] is None and made.placeholder is not None:
        seen["thumbnail"] = made.placeholder
    repository.change(tx, job.workspace_id, job.media_id, seen)


def _job(row: RowMapping) -> Job:
    return Job(
        row["id"],
        row["workspace_id"],
        row["media_id"],
        row["task"],
        row["attempts"] + 1,
        row["original"],
        row["original_type"],
        row["filename"],
        row["url"],
    )
