"""Values that are sealed in tables, and how they are sealed anew when the secret key is changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, RowMapping, Table, bindparam, select, update

from blazz.kit import failpoints
from blazz.kit.crypto import SecretBox
from blazz.kit.db.database import Database, Tx
from blazz.kit.db.scope import Platform
from blazz.kit.errors import BlazzError

_PAGE = 500  # rows in one unit
_SCOPE = Platform("the secret key is changed")


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values; an empty one holds none. `context` is what a row's value was sealed under.

    `columns` are those that `context` reads.
    """

    column: Column[bytes]
    columns: tuple[Column[object], ...]
    context: Callable[[RowMapping], str]

    @property
    def table(self) -> Table:
        """The table, which has an `id`."""
        return self.column.table


@dataclass(slots=True)
class Resealed:
    """What a pass over a column did: values that are there, those sealed anew, those that open with neither key."""

    values: int = 0
    changed: int = 0
    unreadable: int = 0


async def reseal(database: Database, box: SecretBox, sealed: SealedColumn) -> Resealed:
    """Seal with the box's key what its previous key sealed, 500 rows at a time; others may write meanwhile.

    May be cut off anywhere and run again.
    """
    done, after = Resealed(), None
    while True:
        after, page = await database.write(_SCOPE, _reseal_page, box, sealed, after)
        done.values += page.values
        done.changed += page.changed
        done.unreadable += page.unreadable
        failpoints.reach("secret.page_resealed")
        if after is None:
            return done


def _reseal_page(
    tx: Tx, box: SecretBox, sealed: SealedColumn, after: uuid.UUID | None
) -> tuple[uuid.UUID | None, Resealed]:
    """Do one page; returns the last id, None when there is no more."""
    table, name = sealed.table, sealed.column.name
    statement = select(table.c.id, sealed.column, *sealed.columns).order_by(table.c.id).limit(_PAGE)
    if after is not None:
        statement = statement.where(table.c.id > after)
    rows, done, changes = tx.all(statement), Resealed(), []
    for row in rows:
        if not row[name]:
            continue
        done.values += 1
        try:
            anew = box.reseal(row[name], sealed.context(row))
        except BlazzError:
            done.unreadable += 1
            continue
        if anew is not None:
            changes.append({"row": row["id"], "old": row[name], "new": anew})
    if changes:
        # compared with what was read: a value that was replaced meanwhile is a newer one
        tx.execute(
            update(table)
            .where(table.c.id == bindparam("row"), sealed.column == bindparam("old"))
            .values({name: bindparam("new")}),
            changes,
        )
    done.changed = len(changes)
    return (rows[-1]["id"] if len(rows) == _PAGE else None), done
