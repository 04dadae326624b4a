"""SQL of contacts' history."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, insert, or_, select, update

from blazz.contacts.tables import contact_history
from blazz.kit.db import Tx


def insert_entries(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert entries."""
    tx.execute(insert(contact_history), [dict(row) for row in rows])


def page(
    tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID, before: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Return a contact's entries, newest first."""
    table = contact_history.c
    statement = select(table.id, table.event, table.reason, table.data, table.user_id, table.created_at).where(
        table.workspace_id == workspace_id, table.contact_id == contact_id
    )
    if before is not None:
        at, entry_id = before
        statement = statement.where(or_(table.created_at < at, and_(table.created_at == at, table.id < entry_id)))
    return tx.all(statement.order_by(table.created_at.desc(), table.id.desc()).limit(limit))


def move(tx: Tx, workspace_id: uuid.UUID, loser: uuid.UUID, winner: uuid.UUID) -> None:
    """Let the entries of one contact go on under another."""
    tx.execute(
        update(contact_history)
        .where(contact_history.c.workspace_id == workspace_id, contact_history.c.contact_id == loser)
        .values(contact_id=winner)
    )
