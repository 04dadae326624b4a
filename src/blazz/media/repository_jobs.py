"""SQL of jobs: what is to be fetched or made, claimed by one worker at a time."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, insert, select, update

from blazz.kit.db import Tx
from blazz.kit.db.metadata import scoped_tables
from blazz.media.tables import media, media_downloads, media_jobs

_OPEN = ("pending", "processing")


def insert_jobs(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert jobs."""
    tx.execute(insert(media_jobs), [dict(row) for row in rows])


_FIND = select(media_jobs).where(
    media_jobs.c.workspace_id == bindparam("workspace"),
    media_jobs.c.media_id == bindparam("media"),
    media_jobs.c.task == bindparam("task"),
)


def find_job(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, task: str) -> RowMapping | None:
    """Return a file's job of one task."""
    return tx.execute(_FIND, {"workspace": workspace_id, "media": media_id, "task": task}).mappings().first()


_STATES = select(
    media_jobs.c.media_id, media_jobs.c.task, media_jobs.c.state, media_jobs.c.progress, media_jobs.c.failure
).where(
    media_jobs.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    media_jobs.c.media_id.in_(bindparam("ids", expanding=True)),
    media_jobs.c.state != "completed",
)


def unfinished_jobs(
    tx: Tx, workspace_ids: Collection[uuid.UUID], media_ids: Collection[uuid.UUID]
) -> Sequence[RowMapping]:
    """Return what lists show of jobs of these files that are open or failed."""
    return tx.execute(_STATES, {"workspaces": list(workspace_ids), "ids": list(media_ids)}).mappings().all()


def due_jobs(tx: Tx, now: dt.datetime, limit: int) -> Sequence[RowMapping]:
    """Return jobs of any workspace that a worker may begin, longest waiting first.

    A file's other jobs wait until it is fetched, or lost.
    """
    return tx.all(
        select(
            media_jobs,
            media.c.path.label("original"),
            media.c.mime_type.label("original_type"),
            media.c.filename,
            media.c.status,
        )
        .join(media, (media.c.workspace_id == media_jobs.c.workspace_id) & (media.c.id == media_jobs.c.media_id))
        .where(
            media_jobs.c.state.in_(_OPEN),
            media_jobs.c.due_at <= now,
            (media_jobs.c.task == "fetch") | media.c.status.in_(("completed", "failed")),
        )
        .order_by(media_jobs.c.due_at, media_jobs.c.id)
        .limit(limit)
    )


def take_job(tx: Tx, job: RowMapping, until: dt.datetime) -> bool:
    """Begin an attempt that ends by itself at `until`; False when another worker was faster."""
    result = tx.execute(
        update(media_jobs)
        .where(
            media_jobs.c.workspace_id == job["workspace_id"],
            media_jobs.c.id == job["id"],
            media_jobs.c.attempts == job["attempts"],
            media_jobs.c.state.in_(_OPEN),
        )
        .values(state="processing", attempts=job["attempts"] + 1, due_at=until)
    )
    return bool(result.rowcount)


def change_job(tx: Tx, workspace_id: uuid.UUID, job_id: uuid.UUID, attempts: int, values: Mapping[str, Any]) -> bool:
    """Update a job that is still in this attempt; False when it is not."""
    result = tx.execute(
        update(media_jobs)
        .where(
            media_jobs.c.workspace_id == workspace_id,
            media_jobs.c.id == job_id,
            media_jobs.c.attempts == attempts,
            media_jobs.c.state == "processing",
        )
        .values(**values)
    )
    return bool(result.rowcount)


def reopen_job(tx: Tx, workspace_id: uuid.UUID, job_id: uuid.UUID, now: dt.datetime) -> None:
    """Let a failed job be tried anew."""
    tx.execute(
        update(media_jobs)
        .where(media_jobs.c.workspace_id == workspace_id, media_jobs.c.id == job_id, media_jobs.c.state == "failed")
        .values(state="pending", attempts=0, progress=0, failure=None, due_at=now)
    )


def close_probe(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID) -> None:
    """Leave out looking at a file that nobody has begun to look at."""
    tx.execute(
        update(media_jobs)
        .where(
            media_jobs.c.workspace_id == workspace_id,
            media_jobs.c.media_id == media_id,
            media_jobs.c.task == "probe",
            media_jobs.c.state == "pending",
        )
        .values(state="completed", progress=100)
    )


def old_media(tx: Tx, before: dt.datetime, after_id: uuid.UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return id and workspace of files of any workspace that came before a time, in the order of their ids."""
    statement = select(media.c.id, media.c.workspace_id).where(media.c.created_at < before)
    if after_id is not None:
        statement = statement.where(media.c.id > after_id)
    return tx.all(statement.order_by(media.c.id).limit(limit))


def referred_to(tx: Tx, workspace_id: uuid.UUID, media_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of these files that a row of another room refers to, as the foreign keys say."""
    found: set[uuid.UUID] = set()
    for table in scoped_tables():
        for key in table.foreign_key_constraints:
            if key.referred_table is media and table not in (media_downloads, media_jobs):
                column = list(key.columns)[-1]
                rows = tx.all(
                    select(column.label("media_id"))
                    .where(table.c.workspace_id == workspace_id, column.in_(list(media_ids)))
                    .distinct()
                )
                found |= {row["media_id"] for row in rows}
    return found


def paths_of(tx: Tx, workspace_id: uuid.UUID, media_ids: Collection[uuid.UUID]) -> set[str]:
    """Return the keys of these files' originals and of what was made of them."""
    originals = select(media.c.path).where(media.c.workspace_id == workspace_id, media.c.id.in_(list(media_ids)))
    made = select(media_jobs.c.path).where(
        media_jobs.c.workspace_id == workspace_id, media_jobs.c.media_id.in_(list(media_ids))
    )
    return {row["path"] for statement in (originals, made) for row in tx.all(statement) if row["path"] is not None}


def used_paths(tx: Tx, workspace_id: uuid.UUID, paths: Collection[str]) -> set[str]:
    """Return those of these keys that a file of the workspace has."""
    originals = select(media.c.path).where(media.c.workspace_id == workspace_id, media.c.path.in_(list(paths)))
    made = select(media_jobs.c.path).where(
        media_jobs.c.workspace_id == workspace_id, media_jobs.c.path.in_(list(paths))
    )
    return {row["path"] for statement in (originals, made) for row in tx.all(statement)}


def delete_media(tx: Tx, workspace_id: uuid.UUID, media_ids: Collection[uuid.UUID]) -> None:
    """Remove files with their jobs and downloads."""
    tx.execute(delete(media).where(media.c.workspace_id == workspace_id, media.c.id.in_(list(media_ids))))
