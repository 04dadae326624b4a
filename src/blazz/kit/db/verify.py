"""Whether stored rows hold together: what a check found, and the check that every reference has its target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import ForeignKeyConstraint, MetaData, Table, and_, exists, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from blazz.kit.db.database import Tx

EXAMPLES = 5
"""How many rows a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be so: a stable code, where it is, what it means, and what to do."""

    code: str
    where: str
    detail: str
    advice: str
    count: int = 1
    examples: list[str] = field(default_factory=list)
    """Some of the rows or files, by their key."""


def orphans(tx: Tx, metadata: MetaData) -> Iterator[Finding]:
    """Yield one finding for every foreign key some rows of which name a row that is not there (platform scope).

    Databases check this themselves; it happens when they were told not to, or a backup was restored in parts. Reads
    whole tables.
    """
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_key_constraints, key=lambda one: str(one.name)):
            finding = _orphans_of(tx, table, key)
            if finding is not None:
                yield finding


def _orphans_of(tx: Tx, table: Table, key: ForeignKeyConstraint) -> Finding | None:
    parent = key.referred_table.alias("parent")
    columns = [element.parent for element in key.elements]
    same: list[ColumnElement[bool]] = [element.parent == parent.c[element.column.name] for element in key.elements]
    names_one = and_(*(column.is_not(None) for column in columns))
    missing = ~exists(select(literal(1)).select_from(parent).where(*same))
    count = int(tx.scalar(select(func.count()).select_from(table).where(names_one, missing)) or 0)
    if not count:
        return None
    primary = list(table.primary_key.columns)
    rows = tx.all(select(*primary).where(names_one, missing).order_by(*primary).limit(EXAMPLES))
    target = key.referred_table.name
    return Finding(
        "orphan_rows",
        f"{table.name}.{columns[-1].name}",
        f"{count} row(s) of {table.name} name a row of {target} that does not exist.",
        f"Was a backup restored in parts? Restore all of it; or, after a backup, delete these rows of {table.name}.",
        count,
        [" ".join(str(value) for value in row.values()) for row in rows],
    )
