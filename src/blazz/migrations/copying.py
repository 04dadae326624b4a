"""Copying a whole installation from its SQLite file into an empty database on a server, with proof that it is the same.

As long as a copy is not proven, the server's schema has a revision that no program runs on, so no role starts on half
of the data. A copy that was cut off is begun anew by running it again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Table, and_, delete, insert, or_, select, text
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from blazz import migrations
from blazz.kit import failpoints
from blazz.kit.db import metadata
from blazz.kit.db.sqlite import make_engine
from blazz.kit.errors import BlazzError, conflict
from blazz.migrations import targets
from blazz.migrations.revisions import COPYING, wanted

_PAGE = 500  # rows read and written at once
_MAX_BYTES = 4 * 1024 * 1024  # of blobs and texts in one statement; MariaDB takes 16 MiB
_DIGITS = 5  # of numbers with a fraction, which MariaDB keeps in four bytes


@dataclass(slots=True)
class Digest:
    """A table's content, whatever its order: how many rows, and the sum of the SHA-256 of each."""

    rows: int = 0
    total: int = 0

    def add(self, row: RowMapping) -> None:
        """Count one row in."""
        content = json.dumps([_plain(row[name]) for name in sorted(map(str, row))], sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
        self.rows += 1
        self.total = (self.total + int.from_bytes(digest)) % (1 << 256)


def copy(
    source: Path, target: str, on_table: Callable[[str, int], None], before_end: Callable[[], None] = lambda: None
) -> int:
    """Copy every row of the SQLite file to the server and compare both; returns how many rows there are.

    `on_table` is told each table with its rows once it is copied. `before_end` runs when all is proven, before roles
    can start on the copy. Raises BlazzError `database_in_use` while a process runs on the file, `schema_not_current`,
    `target_not_empty`, `target_not_current`, `copy_refused` with the row that the server does not take, `copy_differs`,
    `database_unavailable`.
    """
    with _locked(source):
        migrations.require_current(source)
        revision = targets.reading(target, migrations.revision)
        if revision is None:
            migrations.upgrade(target)
        elif revision not in (wanted(), COPYING + wanted()):
            raise conflict(
                "target_not_current",
                f"{targets.name(target)} has the schema of another version ({revision}). Give an empty database.",
            )
        engine = make_engine(source, query_only=True)
        try:
            with engine.connect() as reading:
                rows: list[int] = []
                targets.exclusively(
                    target, lambda writing: rows.append(_copy(reading, writing, target, on_table, before_end))
                )
                return rows[0]
        finally:
            engine.dispose()


def _copy(
    reading: Connection,
    writing: Connection,
    target: str,
    on_table: Callable[[str, int], None],
    before_end: Callable[[], None],
) -> int:
    _begin(writing, target)
    copied: dict[str, Digest] = {}
    for table in metadata.sorted_tables:
        copied[table.name] = digest = Digest()
        for page in _pages(reading, table):
            for row in page:
                digest.add(row)
            _write(writing, table, page)
            writing.commit()
            failpoints.reach("db.copied_page")
        on_table(table.name, digest.rows)
    for table in metadata.sorted_tables:
        found = Digest()
        for page in _pages(writing, table):
            for row in page:
                found.add(row)
        if found != copied[table.name]:
            raise BlazzError(
                "copy_differs",
                f"{table.name}: {copied[table.name].rows} rows were copied, and {found.rows} rows are there that are "
                "not the same. The copy cannot be used; nothing was changed in the original.",
                500,
            )
    before_end()
    failpoints.reach("db.copied_unused")
    _set_revision(writing, wanted())
    return sum(digest.rows for digest in copied.values())


def _begin(writing: Connection, target: str) -> None:
    """Shut the target to roles. Empties what an earlier copy left; refuses anything else that is not empty."""
    if migrations.revision(writing) == wanted():
        filled = [table.name for table in metadata.sorted_tables if _any(writing, table)]
        if filled:
            raise conflict(
                "target_not_empty",
                f"{targets.name(target)} is in use: it has rows in {', '.join(filled[:5])}. Give an empty database; "
                "nothing was changed.",
            )
        _set_revision(writing, COPYING + wanted())
        return
    for table in reversed(metadata.sorted_tables):
        writing.execute(delete(table))
        writing.commit()


def _any(connection: Connection, table: Table) -> bool:
    return connection.execute(select(*table.primary_key).limit(1)).first() is not None


def _set_revision(connection: Connection, revision: str) -> None:
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    connection.commit()


def _pages(connection: Connection, table: Table) -> Iterator[Sequence[RowMapping]]:
    """Yield all rows in the order of the primary key."""
    keys = [(column.name, column) for column in table.primary_key]
    statement = select(table).order_by(*table.primary_key).limit(_PAGE)
    page = connection.execute(statement).mappings().all()
    while page:
        yield page
        if len(page) < _PAGE:
            return
        page = connection.execute(statement.where(_after(keys, page[-1]))).mappings().all()


def _after(keys: Sequence[tuple[str, ColumnElement[Any]]], row: RowMapping) -> ColumnElement[bool]:
    """Return the condition of rows behind `row`; not as a comparison of rows, for which MariaDB uses no index."""
    conditions = [
        and_(*(column == row[same] for same, column in keys[:number]), key > row[name])
        for number, (name, key) in enumerate(keys)
    ]
    return or_(*conditions)


def _write(connection: Connection, table: Table, page: Sequence[RowMapping]) -> None:
    for rows in _portions(page):
        try:
            with connection.begin_nested():
                connection.execute(insert(table), rows)
        except DBAPIError:
            for row in rows:  # to name the one that is refused
                try:
                    with connection.begin_nested():
                        connection.execute(insert(table), [row])
                except DBAPIError as error:
                    key = ", ".join(f"{column.name} {row[column.name]}" for column in table.primary_key)
                    raise conflict(
                        "copy_refused",
                        f"{table.name}: the server does not take the row with {key} ({error.orig}). Nothing was "
                        "changed in the original.",
                    ) from error


def _portions(page: Sequence[RowMapping]) -> Iterator[list[dict[str, Any]]]:
    """Split a page so that no statement becomes too long."""
    portion: list[dict[str, Any]] = []
    size = 0
    for row in page:
        length = sum(len(value) for value in row.values() if isinstance(value, (bytes, str)))
        if portion and size + length > _MAX_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(dict(row))
        size += length
    if portion:
        yield portion


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value, the same for what is the same on every database."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, (bytes, memoryview)):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


@contextlib.contextmanager
def _locked(source: Path) -> Iterator[None]:
    try:
        with FileLock(str(source) + ".lock", timeout=0):
            yield
    except Timeout:
        raise BlazzError("database_in_use", f"Another Blazz process is using {source}. Stop it first.", 503) from None
