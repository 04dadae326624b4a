"""Statements that each database spells differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, func
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import Insert

from blazz.kit.db.database import Tx
from blazz.kit.db.metadata import SCOPED
from blazz.kit.db.scope import ScopeError

_DUPLICATE_ENTRY = 1062


def insert_or_ignore(dialect: str, table: Table, key: Sequence[str]) -> Insert:
    """Return an INSERT that leaves an existing row with the same unique `key` untouched.

    Its row count means nothing on MariaDB and MySQL; `insert_new` tells whether a row was inserted.
    """
    return upsert(dialect, table, key, ())


def insert_new(tx: Tx, table: Table, key: Sequence[str], row: Mapping[str, Any]) -> bool:
    """Insert a row unless there is one with the same unique `key`; returns whether it was inserted."""
    if tx.dialect not in ("mysql", "mariadb"):
        return bool(tx.execute(insert_or_ignore(tx.dialect, table, key), dict(row)).rowcount)
    try:
        tx.execute(mysql.insert(table), dict(row))
    except IntegrityError as error:
        if error.orig is None or error.orig.args[:1] != (_DUPLICATE_ENTRY,):
            raise
        return False  # only the statement is undone there, the transaction goes on
    return True


def upsert(dialect: str, table: Table, key: Sequence[str], update: Sequence[str]) -> Insert:
    """Return an INSERT that, on an existing row with the same unique `key`, sets the columns `update` instead.

    For a tenant's table the key holds `workspace_id`, so that no row of another workspace can be met.
    """
    if update and table.info.get(SCOPED) and "workspace_id" not in key:
        raise ScopeError(f"an upsert into {table} needs workspace_id in its key")
    if dialect in ("mysql", "mariadb"):
        statement = mysql.insert(table)
        # a no-op update rather than INSERT IGNORE, which would hide every other error too
        changes: dict[str, Any] = {name: statement.inserted[name] for name in update}
        if table.info.get(SCOPED):
            # any unique key may be met there, also one without the workspace: such a row is left as it is
            same = table.c.workspace_id == statement.inserted.workspace_id
            changes = {name: func.if_(same, value, table.c[name]) for name, value in changes.items()}
        return statement.on_duplicate_key_update(changes or {key[0]: table.c[key[0]]})
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    if not update:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    return insert.on_conflict_do_update(index_elements=list(key), set_={name: insert.excluded[name] for name in update})
