"""What tests on database servers need to hurt them: sleeping statements, killed connections, changed settings."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import insert, select, text

from blazz.contacts.tables import contact_identifiers, contacts
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

PLATFORM = Platform("test")


class RolledBack(Exception):
    """Thrown by a unit that must leave no trace."""


def is_postgres(tx: Tx) -> bool:
    return tx.dialect == "postgresql"


def sleep(tx: Tx, seconds: float) -> None:
    """Let the server wait, with whatever locks this unit has."""
    # from a derived table: a bare SELECT SLEEP() that is interrupted is no error on MySQL
    slept = f"SELECT COUNT(*) FROM (SELECT SLEEP({seconds})) AS slept"
    tx.execute(text(f"SELECT pg_sleep({seconds})" if is_postgres(tx) else slept))


def kill_own_connection(tx: Tx) -> None:
    """End the connection that this unit runs on."""
    if is_postgres(tx):
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    else:
        tx.execute(text(f"KILL {tx.scalar(text('SELECT CONNECTION_ID()'))}"))
    tx.execute(text("SELECT 1"))


def kill_others(tx: Tx) -> int:
    """End all other connections to this database; returns how many there were."""
    if is_postgres(tx):
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return len(tx.all(text(f"SELECT pg_terminate_backend(pid) {others}")))
    rows = tx.all(text("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"))
    for row in rows:
        tx.execute(text(f"KILL {row['id']}"))
    return len(rows)


def add_contact(tx: Tx, name: str, workspace: uuid.UUID) -> uuid.UUID:
    now = utc_now()
    row = {"id": uuid7(), "workspace_id": workspace, "name": name, "created_at": now, "updated_at": now}
    tx.execute(insert(contacts), row)
    return uuid.UUID(str(row["id"]))


def add_number(tx: Tx, contact_id: uuid.UUID, number: str, workspace: uuid.UUID) -> None:
    row: dict[str, Any] = {"id": uuid7(), "workspace_id": workspace, "contact_id": contact_id}
    tx.execute(insert(contact_identifiers), {**row, "kind": "phone", "value": number, "created_at": utc_now()})


async def names(database: Database) -> set[str]:
    rows = await database.read(PLATFORM, lambda tx: tx.all(select(contacts.c.name)))
    return {row["name"] for row in rows}
