"""SQL of groups' pictures."""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import RowMapping, insert, select, update

from blazz.groups.tables import group_pictures
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7


def find(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID) -> RowMapping | None:
    """Return what is known of a group's picture."""
    own = (group_pictures.c.workspace_id == workspace_id, group_pictures.c.group_id == group_id)
    return tx.one(select(group_pictures).where(*own))


def save(
    tx: Tx,
    workspace_id: uuid.UUID,
    group_id: uuid.UUID,
    media_id: uuid.UUID | None,
    picture_id: str | None,
    at: dt.datetime,
) -> None:
    """Write a group's picture. The caller holds the group, so nobody else does at the same time."""
    values = {"media_id": media_id, "picture_id": picture_id, "checked_at": at}
    if find(tx, workspace_id, group_id) is None:
        own = {"id": uuid7(), "workspace_id": workspace_id, "group_id": group_id}
        tx.execute(insert(group_pictures), {**own, **values})
    else:
        own_row = (group_pictures.c.workspace_id == workspace_id, group_pictures.c.group_id == group_id)
        tx.execute(update(group_pictures).where(*own_row).values(**values))


def checked(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, at: dt.datetime) -> None:
    """Note when WhatsApp was asked last."""
    own = (group_pictures.c.workspace_id == workspace_id, group_pictures.c.group_id == group_id)
    tx.execute(update(group_pictures).where(*own).values(checked_at=at))
