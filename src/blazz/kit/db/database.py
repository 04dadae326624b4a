"""Units of work: plain functions over a `Tx`, run under a tenant scope, durable when `write` returns.

Domain code is written once, as ordinary functions that take a `Tx`; `Database.read` and `Database.write` run them off
the event loop. Writes are committed in groups, so a hundred concurrent requests share one fsync.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Executable, RowMapping
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

from blazz.kit.db.scope import Scope, Workspace
from blazz.kit.errors import BlazzError, unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Tx:
    """One unit of work inside a transaction. Never kept beyond the function that received it."""

    __slots__ = ("_after_commit", "_connection", "_finishers", "notes", "scope")

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self.scope = scope
        self._finishers: dict[str, Callable[[Tx], None]] = {}
        self._after_commit: list[Callable[[], None]] = []
        self.notes: dict[str, object] = {}
        """What domains remember for the length of this unit, by their own key."""

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, `mysql` or `mariadb`."""
        return self._connection.dialect.name

    @property
    def workspace_id(self) -> Any:
        """The one workspace of this unit. A defect (TypeError) when the scope is wider."""
        if not isinstance(self.scope, Workspace):
            raise TypeError("this unit of work is not bound to one workspace")
        return self.scope.id

    def execute(
        self,
        statement: Executable,
        parameters: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Run a statement; a list of parameters runs it once per item in one call."""
        result = self._connection.execute(statement, parameters)
        assert isinstance(result, CursorResult)
        return result

    def one(self, statement: Executable) -> RowMapping | None:
        """Return the first row as a mapping, or None."""
        return self.execute(statement).mappings().first()

    def all(self, statement: Executable) -> Sequence[RowMapping]:
        """Return all rows as mappings. The statement must be bounded (LIMIT) or its result small by nature."""
        return self.execute(statement).mappings().all()

    def scalar(self, statement: Executable) -> Any:
        """Return the first column of the first row, or None."""
        return self.execute(statement).scalar()

    def before_commit(self, key: str, finish: Callable[[Tx], None]) -> None:
        """Run `finish` once, as the last statements of this unit. The first registration under `key` wins.

        Finishers run in reverse order: one that needs what another does (positions of events) registers before it.
        """
        self._finishers.setdefault(key, finish)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the event loop once the unit is durable; never after a rollback. Must not block."""
        self._after_commit.append(callback)

    def finish(self) -> list[Callable[[], None]]:
        """Run the finishers and hand over the callbacks. For the database's own use."""
        while self._finishers:
            _, finisher = self._finishers.popitem()
            finisher(self)
        return self._after_commit


class Database:
    """The one handle on storage. Open it once per process; `close` waits for writes under way."""

    def __init__(self, writer: Any, readers: Any, executor: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._readers = readers
        self._executor = executor
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, readers: int = 3, busy_timeout_s: float = 5.0) -> Database:
        """Open the SQLite file `path` (made with mode 0600). Raises BlazzError when another process holds it.

        `readers` bounds concurrent reads; `busy_timeout_s` bounds how long a write waits for a foreign lock.
        """
        from blazz.kit.db.sqlite import open_sqlite

        writer, pool = open_sqlite(path, readers=readers, busy_timeout_s=busy_timeout_s)
        return cls(writer, pool, ThreadPoolExecutor(readers, thread_name_prefix="db-read"))

    @property
    def dialect(self) -> str:
        """The SQL dialect's name."""
        return str(self._readers.dialect)

    async def read(
        self,
        scope: Scope,
        work: Callable[Concatenate[Tx, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work` in one read-only snapshot and return its result."""
        self._check_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._readers.run(scope, work, args, kwargs))

    async def write(
        self,
        scope: Scope,
        work: Callable[Concatenate[Tx, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work` in a transaction; when this returns, its changes survive a power cut.

        `work` may be run again after a deadlock, so it must have no other effect than its statements. If it raises,
        only its own changes are undone. Raises BlazzError `database_unavailable` when the database refuses. A caller
        that is cancelled while waiting does not know the outcome: the unit may still commit.
        """
        self._check_open()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.submit(scope, lambda tx: work(tx, *args, **kwargs), future)
        return await future

    async def close(self) -> None:
        """Finish the writes under way, then close all connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._writer.close)
        self._executor.shutdown(wait=True)
        self._readers.close()

    def _check_open(self) -> None:
        if self._closed:
            raise unavailable("shutting_down", "The server is shutting down.")


def translate(error: BaseException) -> BaseException:
    """Return the error a caller should see for a driver's failure; anything else unchanged."""
    if isinstance(error, DBAPIError) and not isinstance(error, BlazzError):
        from sqlalchemy.exc import DataError, IntegrityError

        if isinstance(error, (IntegrityError, DataError)):
            return error
        failure = unavailable(
            "database_unavailable",
            f"The database refused: {type(error.orig).__name__}.",
        )
        with contextlib.suppress(Exception):
            failure.__cause__ = error
        return failure
    return error
