"""The durable state: a SQLite file that one writer commits to in groups.

Changes are gathered as rows by key, so that a row which changes often between two commits is written once. Whatever
tells somebody else that a change has happened (an acknowledgement, an encrypted stanza) is handed to `on_commit` and
leaves only after the commit that contains the change.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

# How long changes are gathered before a commit. Longer means fewer fsyncs and slower acknowledgements.
GATHER_S = 0.002
RETRY_S = 0.5
# Somebody may look into the file with another program; waiting for long would stop the whole network.
LOCK_S = 0.2

Key = int | str | tuple[Any, ...]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its columns; the first `keys` columns are the primary key."""

    name: str
    columns: str
    keys: int = 1


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("meta", "name TEXT, value BLOB"),
        Table(
            "phones",
            "id INTEGER, number TEXT, name TEXT, lid TEXT, seed BLOB, online INTEGER, behaviour TEXT, raw_id INTEGER,"
            " next_device INTEGER, next_key_index INTEGER, next_prekey INTEGER",
        ),
        Table(
            "devices",
            "id INTEGER, phone INTEGER, device INTEGER, noise BLOB, identity BLOB, registration INTEGER,"
            " signed_id INTEGER, signed_key BLOB, signed_signature BLOB, key_index INTEGER, platform TEXT,"
            " linked_at REAL, confirmed INTEGER, greeted INTEGER, details BLOB",
        ),
        Table("prekeys", "device INTEGER, batch INTEGER, keys BLOB", 2),
        Table("prekeys_used", "device INTEGER, batch INTEGER, used INTEGER", 2),
        Table("sessions", "phone INTEGER, peer INTEGER, device INTEGER, record BLOB", 3),
        Table("addressing", "phone INTEGER, peer INTEGER, server TEXT", 2),
        Table("queue", "seq INTEGER, owner INTEGER, key TEXT, stanza BLOB"),
        Table(
            "messages",
            "id INTEGER, phone INTEGER, message_id TEXT, chat TEXT, outgoing INTEGER, type TEXT, body TEXT,"
            " timestamp REAL, deliveries INTEGER, failures INTEGER, retries INTEGER, is_read INTEGER,"
            " undecryptable INTEGER, by_device INTEGER, quoted_id TEXT, media TEXT, receipts TEXT",
        ),
        Table("contents", "message INTEGER, content BLOB"),
        Table("profiles", "phone INTEGER, data TEXT"),
        Table("groups", "id TEXT, data TEXT"),
        Table("channels", "id TEXT, name TEXT"),
        Table("message_extras", "message INTEGER, data TEXT"),
        Table("group_messages", "message INTEGER, author TEXT, reached TEXT"),
        Table("sender_keys", "phone INTEGER, group_id TEXT, peer INTEGER, device INTEGER, record TEXT", 4),
        Table("app_state", "phone INTEGER, collection TEXT, version INTEGER, patch BLOB", 3),
    )
}


_Puts = dict[str, dict[Key, "Storable | Row"]]
_Deletes = dict[str, dict[Key, None]]


class Storable(Protocol):
    """An object that can say what its row holds, key columns included."""

    def row(self) -> Row: ...


class Store:
    """Owns the database file; all functions are called on the event loop's thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OSError when another process has it open."""
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OSError(f"{path.parent} is in use by another simulated network") from error
        self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=LOCK_S)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000", "cache_size=-16000"):
            self._writer.execute(f"PRAGMA {pragma}")
        for table in TABLES.values():
            self._writer.execute(_create(table))
        self._reader = sqlite3.connect(path, isolation_level=None)
        self._sql = {name: _statements(table) for name, table in TABLES.items()}
        self._puts: _Puts = {name: {} for name in TABLES}
        self._deletes: _Deletes = {name: {} for name in TABLES}
        self._batch: tuple[_Puts, _Deletes] = ({}, {})
        self._callbacks: list[Callable[[], None]] = []
        self._in_flight: list[Callable[[], None]] = []
        self._dirty = False
        self._timer: asyncio.TimerHandle | None = None
        self._committing = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whatsim-commit")
        self.commits = 0

    def put(self, table: str, key: Key, row: Storable | Row) -> None:
        """Write a row with the next commit; a Storable is asked for its row only then."""
        self._puts[table][key] = row
        self._deletes[table].pop(key, None)
        self._touch()

    def delete(self, table: str, key: Key) -> None:
        """Remove a row with the next commit."""
        self._puts[table].pop(key, None)
        self._deletes[table][key] = None
        self._touch()

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back once everything put so far is durable (at once when nothing is waiting)."""
        if self._dirty:
            self._callbacks.append(callback)
        elif self._committing:
            # Every change so far is in the commit under way.
            self._in_flight.append(callback)
        else:
            callback()

    async def durable(self) -> None:
        """Return once everything put so far is committed."""
        done = asyncio.Event()
        self.on_commit(done.set)
        await done.wait()

    def read(self, sql: str, *parameters: Any) -> list[Row]:
        """Return rows of what has been committed."""
        return self._reader.execute(sql, parameters).fetchall()

    async def close(self) -> None:
        """Commit what waits and close the file."""
        if self._closed:
            return
        while self._dirty or self._committing:
            await self.durable()
        self._closed = True
        self._thread.shutdown(wait=True)
        self._reader.close()
        self._writer.close()
        os.close(self._lock)

    def _touch(self) -> None:
        self._dirty = True
        if self._timer is None and not self._committing and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if not self._dirty:
            return
        self._in_flight, self._callbacks = self._callbacks, []
        self._batch = (self._puts, self._deletes)
        self._puts = {name: {} for name in TABLES}
        self._deletes = {name: {} for name in TABLES}
        self._dirty = False
        self._committing = True
        try:
            self._write()
        except sqlite3.Error as error:
            self._give_back(error)
            return
        # Rows are written here, on the loop's thread: a second thread would fight for the interpreter lock with every
        # row. Only the fsync, which is the slow part, happens elsewhere.
        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._thread, self._writer.execute, "COMMIT").add_done_callback(self._committed)

    def _write(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        puts, deletes = self._batch
        for name, (insert, delete) in self._sql.items():
            if rows := puts[name]:
                values = rows.values()
                self._writer.executemany(insert, [row if isinstance(row, tuple) else row.row() for row in values])
            if keys := deletes[name]:
                self._writer.executemany(delete, [key if isinstance(key, tuple) else (key,) for key in keys])

    def _give_back(self, error: BaseException) -> None:
        """Take a failed batch back, under what has changed since, and try again soon; nothing is promised meanwhile."""
        log.error("The simulated network's state cannot be stored; trying again: %s", error)
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        puts, deletes = self._batch
        for name in TABLES:
            newer_puts, newer_deletes = self._puts[name], self._deletes[name]
            for key, row in puts[name].items():
                if key not in newer_deletes:
                    newer_puts.setdefault(key, row)
            for key in deletes[name]:
                if key not in newer_puts:
                    newer_deletes[key] = None
        self._callbacks = self._in_flight + self._callbacks
        self._in_flight = []
        self._committing = False
        self._dirty = True
        self._timer = asyncio.get_running_loop().call_later(RETRY_S, self._flush)

    def _committed(self, done: asyncio.Future[sqlite3.Cursor]) -> None:
        error = done.exception()
        if error is not None:
            self._give_back(error)
            return
        self.commits += 1
        self._committing = False
        callbacks, self._in_flight = self._in_flight, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                log.exception("What was to follow a commit failed")
        if self._dirty and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(0, self._flush)


def _create(table: Table) -> str:
    names = [column.split()[0] for column in table.columns.split(", ")]
    primary = ", ".join(names[: table.keys])
    # With an integer key the row id is the key; composite keys are stored without a hidden one.
    rowid = "" if table.keys == 1 else " WITHOUT ROWID"
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({table.columns}, PRIMARY KEY ({primary})){rowid}"


def _statements(table: Table) -> tuple[str, str]:
    names = [column.split()[0] for column in table.columns.split(", ")]
    marks = ", ".join("?" * len(names))
    where = " AND ".join(f"{name} = ?" for name in names[: table.keys])
    # Names come from TABLES above, never from outside.
    insert = f"INSERT OR REPLACE INTO {table.name} VALUES ({marks})"  # noqa: S608
    return insert, f"DELETE FROM {table.name} WHERE {where}"  # noqa: S608
