"""SQLite: one writer thread with group commit, a few reader connections, one process per file.

Write-ahead log, `synchronous=FULL`: a commit is on the disk before anyone hears of it. Units that wait together are
committed together; each runs in its own savepoint, so one failure leaves its neighbours alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, QueuePool

from blazz.kit import failpoints
from blazz.kit.db import guard
from blazz.kit.db.database import Postponed, Tx, translate
from blazz.kit.db.group import Group, Unit, deliver
from blazz.kit.db.scope import Scope
from blazz.kit.db.statistics import seed_statistics
from blazz.kit.errors import BlazzError

T = TypeVar("T")
_GROUP_UNITS = 256  # bounds the memory of one transaction
_GROUP_SECONDS = 0.05  # bounds how long the first unit of a group waits for the others


def open_sqlite(path: Path, *, readers: int, busy_timeout_s: float) -> SqliteBackend:
    """Open `path` for this process alone. Raises BlazzError `database_in_use` when another process has it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(str(path) + ".lock", thread_local=False)  # released by another thread than this one
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlazzError(
            "database_in_use",
            f"Another Blazz process is using {path}. Stop it first.",
            503,
        ) from None
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # a file that SQLite cannot read is told by the first statement, where callers expect it
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(path, timeout=busy_timeout_s)) as connection,
    ):
        seed_statistics(connection)
    writer = Writer(make_engine(path, busy_timeout_s=busy_timeout_s, pool_size=1), lock)
    engine = make_engine(path, busy_timeout_s=busy_timeout_s, pool_size=readers, query_only=True)
    return SqliteBackend(writer, Readers(engine), readers)


class SqliteBackend:
    """One writer thread and a few reader threads."""

    dialect = "sqlite"

    def __init__(self, writer: Writer, readers: Readers, reader_threads: int) -> None:
        self._writer = writer
        self._readers = readers
        self._executor = ThreadPoolExecutor(reader_threads, thread_name_prefix="db-read")

    async def read(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        """Run `work` in one snapshot, on a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._readers.run, scope, work)

    async def write(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        """Run `work` on the writer thread and return after its commit."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.submit(scope, work, future)
        return await future

    async def close(self) -> None:
        """Finish the writes under way, then close."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._writer.close)
        self._executor.shutdown(wait=True)
        self._readers.close()


def make_engine(
    path: Path,
    *,
    busy_timeout_s: float = 5.0,
    pool_size: int = 0,
    query_only: bool = False,
) -> Engine:
    """Return an engine with our pragmas, explicit transactions and the guard. `pool_size` 0 keeps nothing open."""
    pool: dict[str, Any] = (
        {"poolclass": QueuePool, "pool_size": pool_size, "max_overflow": 0} if pool_size else {"poolclass": NullPool}
    )
    engine = create_engine(f"sqlite+pysqlite:///{path}", connect_args={"check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={int(busy_timeout_s * 1000)}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "fullfsync=ON",  # macOS: F_FULLFSYNC, without effect elsewhere
            "foreign_keys=ON",
            "cache_size=-8192",
            *(["query_only=ON"] if query_only else []),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if query_only else "BEGIN IMMEDIATE")

    event.listen(engine, "before_cursor_execute", guard.check)
    return engine


class _Savepoints:
    """Straight to the driver: SQLAlchemy's own savepoints cost as much as two statements."""

    def __init__(self, connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        self._execute = driver.execute

    def set(self) -> None:
        self._execute("SAVEPOINT unit")

    def back(self) -> None:
        self._execute("ROLLBACK TO unit")

    def drop(self) -> None:
        self._execute("RELEASE unit")


class Writer:
    """The thread that owns the only writing connection."""

    def __init__(self, engine: Engine, lock: FileLock) -> None:
        self._engine = engine
        self._lock = lock
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._postponed: Unit | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, scope: Scope, work: Callable[[Tx], Any], future: asyncio.Future[Any]) -> None:
        """Queue one unit; `future` gets its result after the commit."""
        self._queue.put(Unit(scope, work, future, time.monotonic()))

    def close(self) -> None:
        """Finish what is queued, checkpoint and close."""
        self._queue.put(None)
        self._thread.join()
        self._engine.dispose()
        self._lock.release()

    def _run(self) -> None:
        while True:
            first, self._postponed = self._postponed, None
            if first is None:
                if self._stopping:
                    return
                first = self._queue.get()
                if first is None:
                    return
            self._commit_group(first)

    def _commit_group(self, first: Unit) -> None:
        """Run units until none waits, then commit. When what they share cannot be written, each commits alone."""
        units: list[Unit] = []
        group: Group | None = None
        try:
            with self._engine.connect() as connection, connection.begin():
                group = Group(connection, _Savepoints(connection), lambda error: False)
                self._fill(group, first, units)
                try:
                    group.flush()
                except Exception as error:
                    raise _FlushFailed from error
                failpoints.reach("db.before_commit")
        except _FlushFailed as failed:
            if len(units) == 1:
                units[0].error = failed.__cause__
                self._resolve(units)
            for unit in units if len(units) > 1 else ():
                self._commit_alone(unit)
            return
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            # a lock or a full disk meets everyone who waits: fail them now rather than one time-out after the other
            if not units:
                units.append(first)
            self._take_waiting(units)
            for unit in units:
                unit.error = unit.error or error
            group = None
        self._resolve(units, group)

    def _fill(self, group: Group, first: Unit, units: list[Unit]) -> None:
        deadline = time.monotonic() + _GROUP_SECONDS
        unit: Unit | None = first
        while unit is not None:
            units.append(unit)
            try:
                group.run(unit)
            except Postponed:
                self._postponed = units.pop()
                return
            if len(units) >= _GROUP_UNITS or time.monotonic() >= deadline:
                return
            unit = self._next()

    def _next(self) -> Unit | None:
        try:
            unit = self._queue.get_nowait()
        except queue.Empty:
            return None
        self._stopping = self._stopping or unit is None
        return unit

    def _commit_alone(self, unit: Unit) -> None:
        group: Group | None = None
        try:
            with self._engine.connect() as connection, connection.begin():
                group = Group(connection, None, lambda error: True)
                group.run(unit)
                group.flush()
                failpoints.reach("db.before_commit")
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            unit.error = error
        self._resolve([unit], group)

    def _take_waiting(self, units: list[Unit]) -> None:
        if self._postponed is not None:
            units.append(self._postponed)
            self._postponed = None
        while (unit := self._next()) is not None:
            units.append(unit)

    @staticmethod
    def _resolve(units: list[Unit], group: Group | None = None) -> None:
        try:
            failpoints.reach("db.after_commit")
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            for unit in units:
                unit.error = unit.error or error
        loop = units[0].future.get_loop()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(group.deliver if group is not None else deliver, units)


class _FlushFailed(Exception):
    """What the units of a group share could not be written; the cause is its `__cause__`."""


class Readers:
    """Reader connections; each read is one snapshot."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        """Run `work` on the calling thread. Raises what `work` raises, or BlazzError `database_unavailable`."""
        try:
            with (
                self._engine.connect() as connection,
                connection.begin() as transaction,
            ):
                connection.execution_options(**{guard.SCOPE_OPTION: scope})
                try:
                    return work(Tx(connection, scope))
                finally:
                    connection.execution_options(**{guard.SCOPE_OPTION: None})
                    transaction.rollback()
        except BlazzError:
            raise
        except BaseException as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error

    def close(self) -> None:
        """Close all reader connections."""
        self._engine.dispose()
