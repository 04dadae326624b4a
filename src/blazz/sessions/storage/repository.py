"""Session stores that are rows of the database (PostgreSQL only; all in platform scope)."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from blazz.kit.db import Tx
from blazz.sessions.storage.tables import SCHEMA, catalogue, session_stores


@dataclass(frozen=True, slots=True)
class StoreRow:
    """One session's store."""

    epoch: int
    linked: bool


@dataclass(frozen=True, slots=True)
class StoreSize:
    """How large a store is (contents, without indexes), and when it was last opened."""

    store: int
    size_bytes: int
    opened_at: dt.datetime | None


def exists(tx: Tx) -> bool:
    """Return whether an engine host has made its tables."""
    if tx.dialect != "postgresql":
        return False
    table = session_stores.name
    where = (catalogue.c.schemaname == SCHEMA) & (catalogue.c.tablename == table)
    return tx.one(select(catalogue.c.tablename).where(where)) is not None


def in_use(tx: Tx) -> bool:
    """Return whether any session has its pairing in the database."""
    if not exists(tx):
        return False
    linked = select(session_stores.c.session_id).where(session_stores.c.jid.is_not(None)).limit(1)
    return tx.one(linked) is not None


def stores(tx: Tx) -> dict[str, StoreRow]:
    """Return all stores by session id."""
    if not exists(tx):
        return {}
    rows = tx.all(select(session_stores.c.session_id, session_stores.c.epoch, session_stores.c.jid))
    return {row["session_id"]: StoreRow(row["epoch"], row["jid"] is not None) for row in rows}


def sizes(tx: Tx, account_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, StoreSize]:
    """Return the linked stores of these accounts."""
    bytes_of = func.blazz_sessions.store_bytes(session_stores.c.store).label("bytes")
    wanted = [str(account_id) for account_id in account_ids]
    statement = select(session_stores, bytes_of).where(
        session_stores.c.session_id.in_(wanted), session_stores.c.jid.is_not(None)
    )
    return {
        uuid.UUID(row["session_id"]): StoreSize(row["store"], int(row["bytes"]), row["opened_at"])
        for row in tx.all(statement)
    }


def set_rows_aside(tx: Tx, account_id: uuid.UUID, epoch: int) -> None:
    """Keep the pairing aside, for a week, unless a higher epoch has the store."""
    if exists(tx):
        tx.execute(select(func.blazz_sessions.set_aside(str(account_id), epoch)))
