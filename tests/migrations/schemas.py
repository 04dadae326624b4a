"""What tests of migrations do to a database, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from alembic import command
from sqlalchemy import Row, inspect, text
from sqlalchemy.engine import Connection

from blazz import migrations
from blazz.migrations import targets

T = TypeVar("T")


def on(url: str, work: Callable[[Connection], T]) -> T:
    """Run `work` in a transaction and return its result."""
    results: list[T] = []
    targets.upgrading(url, lambda connection: results.append(work(connection)))
    return results[0]


def execute(url: str, *statements: str) -> None:
    """Run statements in one transaction."""

    def work(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    on(url, work)


def rows(url: str, statement: str) -> list[Row[Any]]:
    """Return the rows of a query."""
    return on(url, lambda connection: list(connection.execute(text(statement)).all()))


def upgrade_to(url: str, revision: str) -> None:
    """Bring the schema to a revision that is not the last."""
    targets.upgrading(url, lambda connection: command.upgrade(migrations.config(connection), revision))


def tables(url: str) -> dict[str, dict[str, Any]]:
    """Return the columns of every table, by name."""

    def work(connection: Connection) -> dict[str, dict[str, Any]]:
        inspector = inspect(connection)
        return {
            table: {str(column["name"]): column for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }

    return on(url, work)


def names(url: str) -> dict[str, set[str]]:
    """Return the names of the columns of every table."""
    return {table: set(columns) for table, columns in tables(url).items()}
