"""SQL of what WhatsApp tells of people beside their addresses: pictures, blocks, when they were looked up."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, or_, select, update

from blazz.contacts.tables import contact_blocks, contact_pictures, contacts
from blazz.kit.db import Tx, insert_new, upsert

_PICTURES = select(contact_pictures.c.contact_id, contact_pictures.c.media_id).where(
    contact_pictures.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    contact_pictures.c.contact_id.in_(bindparam("contacts", expanding=True)),
    contact_pictures.c.media_id.is_not(None),
)
_PICTURE_KEY = ["workspace_id", "contact_id"]
_PICTURE_FACTS = ["media_id", "picture_id", "checked_at"]
_BLOCK_KEY = ["workspace_id", "account_id", "contact_id"]


def pictures(
    tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, uuid.UUID]:
    """Return the file of each contact's picture, where there is one."""
    rows = tx.execute(_PICTURES, {"workspaces": list(workspace_ids), "contacts": list(contact_ids)})
    return {row["contact_id"]: row["media_id"] for row in rows.mappings()}


def picture(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> RowMapping | None:
    """Return what is known of a contact's picture."""
    return tx.one(
        select(contact_pictures).where(
            contact_pictures.c.workspace_id == workspace_id, contact_pictures.c.contact_id == contact_id
        )
    )


def save_picture(tx: Tx, row: dict[str, Any]) -> None:
    """Write what is known of a contact's picture."""
    tx.execute(upsert(tx.dialect, contact_pictures, _PICTURE_KEY, _PICTURE_FACTS), row)


def picture_changed(tx: Tx, workspace_id: uuid.UUID, contact_ids: Collection[uuid.UUID]) -> None:
    """Note that the pictures must be looked at again."""
    tx.execute(
        update(contact_pictures)
        .where(contact_pictures.c.workspace_id == workspace_id, contact_pictures.c.contact_id.in_(list(contact_ids)))
        .values(checked_at=None)
    )


def stale(
    tx: Tx, workspace_id: uuid.UUID, contact_ids: Collection[uuid.UUID], before: dt.datetime
) -> Sequence[RowMapping]:
    """Return those contacts about whom WhatsApp was last asked before a moment, or never."""
    return tx.all(
        select(contacts.c.id).where(
            contacts.c.workspace_id == workspace_id,
            contacts.c.id.in_(list(contact_ids)),
            or_(contacts.c.profile_checked_at.is_(None), contacts.c.profile_checked_at < before),
        )
    )


def blocks(
    tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Return the accounts that have blocked each contact."""
    table = contact_blocks.c
    found: dict[uuid.UUID, list[uuid.UUID]] = {}
    for row in tx.all(
        select(table.contact_id, table.account_id)
        .where(table.workspace_id.in_(list(workspace_ids)), table.contact_id.in_(list(contact_ids)))
        .order_by(table.created_at)
    ):
        found.setdefault(row["contact_id"], []).append(row["account_id"])
    return found


def blocked_by(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> set[uuid.UUID]:
    """Return the contacts that an account has blocked."""
    table = contact_blocks.c
    rows = tx.all(select(table.contact_id).where(table.workspace_id == workspace_id, table.account_id == account_id))
    return {row["contact_id"] for row in rows}


def add_block(tx: Tx, row: dict[str, Any]) -> bool:
    """Insert a block; returns whether it is new."""
    return insert_new(tx, contact_blocks, _BLOCK_KEY, row)


def remove_blocks(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, contact_ids: Collection[uuid.UUID]) -> None:
    """Delete the blocks of these contacts on an account."""
    table = contact_blocks.c
    tx.execute(
        delete(contact_blocks).where(
            table.workspace_id == workspace_id, table.account_id == account_id, table.contact_id.in_(list(contact_ids))
        )
    )


def move_blocks(tx: Tx, workspace_id: uuid.UUID, loser: uuid.UUID, winner: uuid.UUID) -> None:
    """Let whoever has blocked one contact have blocked another."""
    table = contact_blocks.c
    already = tx.all(select(table.account_id).where(table.workspace_id == workspace_id, table.contact_id == winner))
    tx.execute(
        update(contact_blocks)
        .where(
            table.workspace_id == workspace_id,
            table.contact_id == loser,
            table.account_id.not_in([row["account_id"] for row in already]),
        )
        .values(contact_id=winner)
    )
