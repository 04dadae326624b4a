"""How a database's schema differs from the metadata: tables, columns, types, indexes, foreign keys."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, MetaData
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from blazz.kit.db.types import Key


def differences(connection: Connection, metadata: MetaData, *, more_is_fine: bool = False) -> list[str]:
    """Return one line per difference; with `more_is_fine` only what is missing or other, not what is added."""
    context = MigrationContext.configure(connection, opts={"compare_type": types_differ})
    found = compare_metadata(context, metadata)
    return [_describe(item) for item in found if not (more_is_fine and _is_more(item))]


def types_differ(
    context: MigrationContext,
    inspected_column: Column[Any],
    metadata_column: Column[Any],
    inspected_type: TypeEngine[Any],
    metadata_type: TypeEngine[Any],
) -> bool | None:
    """Return True when a column's type is not what this version makes; None leaves it to Alembic, which sees the rest.

    A key whose text is compared by another rule than byte by byte lets two keys be one.
    """
    if not isinstance(metadata_type, Key):
        return None
    made = metadata_type.load_dialect_impl(context.connection.dialect) if context.connection is not None else None
    wanted, found = getattr(made, "collation", None), getattr(inspected_type, "collation", None)
    return True if wanted is not None and found != wanted else None


def _is_more(item: object) -> bool:
    return isinstance(item, tuple) and str(item[0]).startswith("remove_")


def _describe(item: object) -> str:
    while isinstance(item, list) and item:
        item = item[0]
    if not isinstance(item, tuple):
        return str(item)
    if str(item[0]).startswith("modify_"):
        kind, _, table, column, _, found, wanted = item
        return f"{kind} {table}.{column}: {found!r}, expected {wanted!r}"
    return " ".join(str(getattr(part, "name", None) or part) for part in item if part is not None)
