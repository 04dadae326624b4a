"""SQL of media and of downloads that are due."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, insert, select, update

from blazz.kit.db import Tx
from blazz.media.tables import media, media_downloads


def insert_media(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert files."""
    tx.execute(insert(media), [dict(row) for row in rows])


def insert_downloads(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert downloads that are due."""
    tx.execute(insert(media_downloads), [dict(row) for row in rows])


_FIND = select(media).where(media.c.workspace_id == bindparam("workspace"), media.c.id == bindparam("media"))


def find(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID) -> RowMapping | None:
    """Return a file."""
    return tx.execute(_FIND, {"workspace": workspace_id, "media": media_id}).mappings().first()


_FIND_MANY = select(
    media.c.id,
    media.c.mime_type,
    media.c.filename,
    media.c.size,
    media.c.width,
    media.c.height,
    media.c.thumbnail,
    media.c.status,
    media.c.failure,
    media.c.details,
).where(
    media.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    media.c.id.in_(bindparam("ids", expanding=True)),
)


def find_many(tx: Tx, workspace_ids: Collection[uuid.UUID], media_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return what lists show of files."""
    return tx.execute(_FIND_MANY, {"workspaces": list(workspace_ids), "ids": list(media_ids)}).mappings().all()


def with_content(tx: Tx, workspace_id: uuid.UUID, sha256: str) -> Sequence[RowMapping]:
    """Return files of a workspace that are here and have this content."""
    return tx.all(
        select(media)
        .where(media.c.workspace_id == workspace_id, media.c.sha256 == sha256, media.c.status == "completed")
        .order_by(media.c.created_at)
        .limit(20)
    )


def change(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Update one file."""
    tx.execute(update(media).where(media.c.workspace_id == workspace_id, media.c.id == media_id).values(**values))


def due_downloads(
    tx: Tx,
    workspace_ids: Collection[uuid.UUID] | None,
    account_ids: Collection[uuid.UUID],
    now: dt.datetime,
    limit: int,
) -> Sequence[RowMapping]:
    """Return downloads of these accounts that are due, longest waiting first. None: of every workspace."""
    statement = (
        select(media_downloads, media.c.mime_type, media.c.filename, media.c.size)
        .join(
            media, (media.c.workspace_id == media_downloads.c.workspace_id) & (media.c.id == media_downloads.c.media_id)
        )
        .where(media_downloads.c.account_id.in_(list(account_ids)), media_downloads.c.due_at <= now)
        .order_by(media_downloads.c.due_at, media_downloads.c.id)
        .limit(limit)
    )
    if workspace_ids is not None:
        statement = statement.where(media_downloads.c.workspace_id.in_(list(workspace_ids)))
    return tx.all(statement)


_ATTEMPT = (
    update(media_downloads)
    .where(media_downloads.c.workspace_id == bindparam("workspace"), media_downloads.c.id == bindparam("download"))
    .values(attempts=bindparam("tried"), due_at=bindparam("next"))
)


def note_attempts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Count attempts: rows of `workspace`, `download`, `tried`, `next`."""
    tx.execute(_ATTEMPT, [dict(row) for row in rows])


def hasten_download(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, now: dt.datetime) -> bool:
    """Make the download of a file due now, as if it were announced now; False when there is none."""
    result = tx.execute(
        update(media_downloads)
        .where(media_downloads.c.workspace_id == workspace_id, media_downloads.c.media_id == media_id)
        .values(due_at=now, created_at=now)
    )
    return bool(result.rowcount)


def renew_download(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID, reference: bytes, now: dt.datetime) -> None:
    """Replace what fetches a file, and make that due now."""
    tx.execute(
        update(media_downloads)
        .where(media_downloads.c.workspace_id == workspace_id, media_downloads.c.media_id == media_id)
        .values(reference=reference, due_at=now)
    )


def delete_download(tx: Tx, workspace_id: uuid.UUID, media_id: uuid.UUID) -> bool:
    """Remove what is known for fetching a file; False when it was gone already."""
    result = tx.execute(
        delete(media_downloads).where(
            media_downloads.c.workspace_id == workspace_id, media_downloads.c.media_id == media_id
        )
    )
    return bool(result.rowcount)
