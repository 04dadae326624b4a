"""The pictures of groups: what is known of each, and what its chat shows."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from blazz import events
from blazz.groups import repository, repository_pictures
from blazz.kit.db import Tx
from blazz.kit.time import utc_now
from blazz.messaging import group_chats

_FRESH = dt.timedelta(days=1)  # WhatsApp tells of changes; this is for news that were lost


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a group's picture: WhatsApp's id of it, and whether that was asked lately."""

    group_id: uuid.UUID
    picture_id: str | None
    fresh: bool


def known(tx: Tx, account_id: uuid.UUID, address: str) -> Known | None:
    """Return what is known of the picture of a group that we are in; None for another group."""
    row = repository.by_address(tx, tx.workspace_id, account_id, [address]).get(address)
    if row is None or row["state"] != "member":
        return None
    picture = repository_pictures.find(tx, tx.workspace_id, row["id"])
    if picture is None:
        return Known(row["id"], None, fresh=False)
    return Known(row["id"], picture["picture_id"], fresh=picture["checked_at"] > utc_now() - _FRESH)


def note(tx: Tx, group_id: uuid.UUID, media_id: uuid.UUID | None, picture_id: str | None) -> None:
    """Keep a group's picture now; None where there is none."""
    row = repository.find(tx, tx.workspace_id, group_id, for_update=True)
    if row is None:
        return
    repository_pictures.save(tx, tx.workspace_id, group_id, media_id, picture_id, utc_now())
    if group_chats.show_picture(tx, tx.workspace_id, group_id, media_id):
        ids = {"group_id": str(group_id), "chat_id": str(group_id)}
        events.append(tx, "group.updated", {**ids, "changed": ["picture"]}, account_id=row["account_id"])


def unchanged(tx: Tx, group_id: uuid.UUID) -> None:
    """Note that the picture is still the known one."""
    repository_pictures.checked(tx, tx.workspace_id, group_id, utc_now())
