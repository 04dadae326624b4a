"""What SQLite's planner is told about our tables, so that a plan depends neither on their size today nor on luck.

Without statistics SQLite takes the first column of an index for a good filter. Ours is mostly the workspace, the
poorest filter there is: the look-up of a hundred messages by id would read all messages of a workspace.
"""

from __future__ import annotations

import sqlite3

_ROWS = 1_000_000
_DISTINCT = {
    "workspace_id": 10,
    "account_id": 100,
    "instance_id": 10,
    "from_me": 2,
    "kind": 4,
    "state": 8,
    "status": 8,
    "wanted": 2,
}
"""Different values of a column in a large installation; of all others there are many."""
_MANY = 100_000


def seed_statistics(connection: sqlite3.Connection) -> None:
    """Write the expected selectivity of every index, unless it is there. Connections opened afterwards use it."""
    wanted = {
        (table, index, _selectivity(connection, index, unique=bool(unique)))
        for (table,) in _all(connection, "SELECT name FROM sqlite_schema WHERE type = 'table'")
        if not str(table).startswith("sqlite_")
        for _, index, unique, *_ in _all(connection, f'PRAGMA index_list("{table}")')
    }
    connection.execute("ANALYZE sqlite_schema")  # makes the table of statistics if there is none
    if set(_all(connection, "SELECT tbl, idx, stat FROM sqlite_stat1")) == wanted:
        return
    with connection:
        connection.execute("DELETE FROM sqlite_stat1")
        connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", sorted(wanted))


def _selectivity(connection: sqlite3.Connection, index: object, *, unique: bool) -> str:
    """Return SQLite's form: rows of the index, then rows that are left after each further column is given."""
    columns = [row[2] for row in _all(connection, f'PRAGMA index_info("{index}")')]
    left, numbers = _ROWS, [_ROWS]
    for column in columns:
        left = max(left // _DISTINCT.get(str(column), _MANY), 1)
        numbers.append(left)
    if unique:
        numbers[-1] = 1
    return " ".join(map(str, numbers))


def _all(connection: sqlite3.Connection, statement: str) -> list[tuple[object, ...]]:
    return connection.execute(statement).fetchall()
