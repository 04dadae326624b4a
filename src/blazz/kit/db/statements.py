"""Statements that each database spells differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from blazz.kit.db.metadata import SCOPED
from blazz.kit.db.scope import ScopeError


def insert_or_ignore(dialect: str, table: Table, key: Sequence[str]) -> Insert:
    """Return an INSERT that leaves an existing row with the same unique `key` untouched."""
    return upsert(dialect, table, key, ())


def upsert(dialect: str, table: Table, key: Sequence[str], update: Sequence[str]) -> Insert:
    """Return an INSERT that, on an existing row with the same unique `key`, sets the columns `update` instead.

    For a tenant's table the key holds `workspace_id`, so that no row of another workspace can be met.
    """
    if update and table.info.get(SCOPED) and "workspace_id" not in key:
        raise ScopeError(f"an upsert into {table} needs workspace_id in its key")
    if dialect in ("mysql", "mariadb"):
        statement = mysql.insert(table)
        # a no-op update rather than INSERT IGNORE, which would hide every other error too
        changes: dict[str, Any] = {name: statement.inserted[name] for name in update} or {key[0]: table.c[key[0]]}
        return statement.on_duplicate_key_update(changes)
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    if not update:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    return insert.on_conflict_do_update(index_elements=list(key), set_={name: insert.excluded[name] for name in update})
