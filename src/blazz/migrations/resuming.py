"""Steps of a migration on MariaDB and MySQL, which commit each of them at once: what is there already is not repeated.

An upgrade that was cut off leaves the database between two revisions, still named after the first. Taken up again, it
skips the tables, columns, indexes and constraints that exist (or, when they are to be dropped, that are gone) and does
the rest. `op.execute` is not known here: statements that change rows must bear being run twice.
"""

from __future__ import annotations

from typing import Any

from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from sqlalchemy import Column, Constraint, Index, Table, inspect
from sqlalchemy.engine import Inspector


class _Resuming(MySQLImpl):
    """What both have in common."""

    def create_table(self, table: Table, **options: Any) -> None:
        """Create a table with its indexes, each unless it is there."""
        if not self._inspector().has_table(table.name):
            super().create_table(table, **options)
            return
        for index in table.indexes:
            self.create_index(index)

    def drop_table(self, table: Table, **options: Any) -> None:
        """Drop a table unless it is gone."""
        if self._inspector().has_table(table.name):
            super().drop_table(table, **options)

    def add_column(self, table_name: str, column: Column[Any], **options: Any) -> None:
        """Add a column unless it is there."""
        if column.name not in self._columns(table_name):
            super().add_column(table_name, column, **options)

    def drop_column(self, table_name: str, column: Column[Any], **options: Any) -> None:
        """Drop a column unless it is gone."""
        if column.name in self._columns(table_name):
            super().drop_column(table_name, column, **options)

    def create_index(self, index: Index, **options: Any) -> None:
        """Create an index unless it is there."""
        assert index.table is not None
        if index.name not in self._indexes(index.table.name):
            super().create_index(index, **options)

    def drop_index(self, index: Index, **options: Any) -> None:
        """Drop an index unless it is gone."""
        assert index.table is not None
        if index.name in self._indexes(index.table.name):
            super().drop_index(index, **options)

    def add_constraint(self, const: Constraint, **options: Any) -> None:
        """Add a named constraint unless it is there."""
        if const.name is None or const.name not in self._constraints(const.table.name):
            super().add_constraint(const, **options)

    def drop_constraint(self, const: Constraint, **options: Any) -> None:
        """Drop a named constraint unless it is gone."""
        if const.name is None or const.name in self._constraints(const.table.name):
            super().drop_constraint(const, **options)

    def _inspector(self) -> Inspector:
        assert self.connection is not None
        return inspect(self.connection)  # a new one each time: it remembers what it has seen

    def _columns(self, table: str) -> set[str]:
        return {column["name"] for column in self._inspector().get_columns(table)}

    def _indexes(self, table: str) -> set[str | None]:
        return {index["name"] for index in self._inspector().get_indexes(table)}

    def _constraints(self, table: str) -> set[str | None]:
        inspector = self._inspector()
        names = {item["name"] for item in inspector.get_unique_constraints(table)}
        names |= {item["name"] for item in inspector.get_foreign_keys(table)}
        names |= {item["name"] for item in inspector.get_check_constraints(table)}
        return names


class ResumingMySQL(_Resuming):
    """MySQL."""

    __dialect__ = "mysql"


class ResumingMariaDB(_Resuming, MariaDBImpl):
    """MariaDB."""

    __dialect__ = "mariadb"
