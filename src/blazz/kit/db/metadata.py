"""One metadata for all tables, and the shape of a tenant's table."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SCOPED = "workspace_scoped"


def workspace_key(*, primary_key: bool = False) -> Column[object]:
    """Return the `workspace_id` column of a tenant's table."""
    return Column(
        "workspace_id",
        Uuid(),
        ForeignKey("workspaces.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


def scoped_table(name: str, *items: SchemaItem) -> Table:
    """Return a tenant's table: `id` (UUID) as primary key and `workspace_id`, unique together.

    The unique pair lets other tables refer to it by `same_workspace`, so a row can never point into another workspace.
    """
    return Table(
        name,
        metadata,
        Column("id", Uuid(), primary_key=True),
        workspace_key(),
        *items,
        UniqueConstraint("workspace_id", "id"),
        info={SCOPED: True},
    )


def same_workspace(column: str, table: str, *, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """Return the composite foreign key `(workspace_id, column)` to `table(workspace_id, id)`."""
    return ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{table}.workspace_id", f"{table}.id"],
        ondelete=ondelete,
        name=None,
    )


def scoped_tables() -> Sequence[Table]:
    """Return every tenant's table known so far."""
    return [table for table in metadata.sorted_tables if table.info.get(SCOPED)]
