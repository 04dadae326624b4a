"""Reads of `blazz media verify`: which files must be in the store."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import RowMapping, null, select

from blazz.kit.db import Tx
from blazz.media.tables import media, media_jobs


def originals(tx: Tx, after: uuid.UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return `id`, `path`, `size` and `sha256` of originals that are here, in the order of their ids."""
    statement = select(media.c.id, media.c.path, media.c.size, media.c.sha256).where(media.c.path.is_not(None))
    if after is not None:
        statement = statement.where(media.c.id > after)
    return tx.all(statement.order_by(media.c.id).limit(limit))


def converted(tx: Tx, after: uuid.UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return the same of what was made of originals, whose content nobody has noted."""
    jobs = media_jobs.c
    statement = select(jobs.id, jobs.path, jobs.size, null().label("sha256")).where(
        jobs.path.is_not(None), jobs.state == "completed"
    )
    if after is not None:
        statement = statement.where(jobs.id > after)
    return tx.all(statement.order_by(jobs.id).limit(limit))
