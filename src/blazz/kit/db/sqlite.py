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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, QueuePool

from blazz.kit import failpoints
from blazz.kit.db import guard
from blazz.kit.db.database import Tx, translate
from blazz.kit.db.scope import Scope
from blazz.kit.db.statistics import seed_statistics
from blazz.kit.errors import BlazzError

_log = structlog.get_logger(__name__)
_GROUP_UNITS = 256  # bounds the memory of one transaction
_GROUP_SECONDS = 0.05  # bounds how long the first unit of a group waits for the others


@dataclass(slots=True)
class _Unit:
    scope: Scope
    work: Callable[[Tx], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    callbacks: list[Callable[[], None]]
    result: Any = None
    error: BaseException | None = None


def open_sqlite(path: Path, *, readers: int, busy_timeout_s: float) -> tuple[Writer, Readers]:
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
    return writer, Readers(make_engine(path, busy_timeout_s=busy_timeout_s, pool_size=readers, query_only=True))


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


class Writer:
    """The thread that owns the only writing connection."""

    def __init__(self, engine: Engine, lock: FileLock) -> None:
        self._engine = engine
        self._lock = lock
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, scope: Scope, work: Callable[[Tx], Any], future: asyncio.Future[Any]) -> None:
        """Queue one unit; `future` gets its result after the commit."""
        self._queue.put(_Unit(scope, work, future, future.get_loop(), []))

    def close(self) -> None:
        """Finish what is queued, checkpoint and close."""
        self._queue.put(None)
        self._thread.join()
        self._engine.dispose()
        self._lock.release()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            if first is None:
                return
            group = [first]
            stopping = self._commit_group(group)
            self._resolve(group)

    def _commit_group(self, group: list[_Unit]) -> bool:
        """Run units until none waits, then commit. Returns True when the stop mark was met."""
        stopping = False
        deadline = time.monotonic() + _GROUP_SECONDS
        try:
            with self._engine.connect() as connection, connection.begin():
                self._run_unit(connection, group[0])
                while len(group) < _GROUP_UNITS and time.monotonic() < deadline:
                    try:
                        unit = self._queue.get_nowait()
                    except queue.Empty:
                        break
                    if unit is None:
                        stopping = True
                        break
                    group.append(unit)
                    self._run_unit(connection, unit)
                connection.execution_options(**{guard.SCOPE_OPTION: None})
                failpoints.reach("db.before_commit")
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            # a lock or a full disk meets everyone who waits: fail them now rather than one time-out after the other
            stopping = self._take_waiting(group) or stopping
            for unit in group:
                unit.error = unit.error or error
        return stopping

    def _take_waiting(self, group: list[_Unit]) -> bool:
        while True:
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                return False
            if unit is None:
                return True
            group.append(unit)

    def _run_unit(self, connection: Connection, unit: _Unit) -> None:
        # straight to the driver: SQLAlchemy's own savepoints cost as much as two statements
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.execute("SAVEPOINT unit")
        connection.execution_options(**{guard.SCOPE_OPTION: unit.scope})
        tx = Tx(connection, unit.scope)
        try:
            unit.result = unit.work(tx)
            unit.callbacks = tx.finish()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            unit.error = error
            driver.execute("ROLLBACK TO unit")
        finally:
            connection.execution_options(**{guard.SCOPE_OPTION: None})
        driver.execute("RELEASE unit")

    @staticmethod
    def _resolve(group: list[_Unit]) -> None:
        loop = group[0].loop

        def deliver() -> None:
            for unit in group:
                if unit.error is None:
                    for callback in unit.callbacks:
                        try:
                            callback()
                        except Exception:  # noqa: BLE001 - the unit is durable and the next one must hear of its own result
                            _log.exception("a callback after a commit failed")
                if not unit.future.done():
                    if unit.error is not None:
                        unit.future.set_exception(translate(unit.error))
                    else:
                        unit.future.set_result(unit.result)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver)


class Readers:
    """Reader connections; each read is one snapshot."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.dialect = engine.dialect.name

    def run(self, scope: Scope, work: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run `work` on the calling thread. Raises what `work` raises, or BlazzError `database_unavailable`."""
        try:
            with (
                self._engine.connect() as connection,
                connection.begin() as transaction,
            ):
                connection.execution_options(**{guard.SCOPE_OPTION: scope})
                try:
                    return work(Tx(connection, scope), *args, **kwargs)
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
