"""Units of work: plain functions over a `Tx`, run under a tenant scope, durable when `write` returns.

Domain code is written once, as ordinary functions that take a `Tx`; `Database.read` and `Database.write` run them on
SQLite or on a database server. Writes are committed in groups, so a hundred concurrent requests share one fsync.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from sqlalchemy import Executable, RowMapping
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from blazz.kit.db.faults import Fault, fault_of
from blazz.kit.db.options import ServerOptions
from blazz.kit.db.scope import Scope, Workspace
from blazz.kit.errors import BlazzError, unavailable
from blazz.kit.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

Flush = Callable[["Tx", Sequence[T]], None]
"""Writes what several units handed over; called once per commit."""


class Postponed(BaseException):
    """Raised by a unit that must not be committed together with an earlier one of its group; never seen by callers.

    Not an Exception: domain code that catches errors must let it pass.
    """


class Neighbours(Protocol):
    """What a unit may ask about the earlier units of its commit."""

    def waiting(self, flush: Flush[Any]) -> Sequence[Any]: ...
    def claim(self, key: Hashable) -> bool: ...


class Tx:
    """One unit of work inside a transaction. Never kept beyond the function that received it."""

    __slots__ = ("_after_commit", "_connection", "_finishers", "_neighbours", "notes", "scope", "shares")

    def __init__(self, connection: Connection, scope: Scope, neighbours: Neighbours | None = None) -> None:
        self._connection = connection
        self._neighbours = neighbours
        self.scope = scope
        self._finishers: dict[str, Callable[[Tx], None]] = {}
        self._after_commit: list[Callable[[], None]] = []
        self.notes: dict[str, object] = {}
        """What domains remember for the length of this unit, by their own key."""
        self.shares: list[tuple[int, Flush[Any], Any]] = []
        """What this unit gave to `flush_together`. For the database's own use."""

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

    def flush_together(self, flush: Flush[T], item: T, *, order: int = 0) -> None:
        """Hand `item` over: `flush` is called once per commit with the items of all its units, in their order.

        Several functions are called in ascending `order`, the same in every process: what all of them lock is locked
        in one order. The heads of event logs come last (9).

        It runs when no unit of the commit will run any more, under a scope that allows what any of them may touch:
        whoever hands something over has checked that it belongs to this unit's scope. `flush` is a module's function.
        """
        self.shares.append((order, flush, item))

    def waiting(self, flush: Flush[T]) -> Sequence[T]:
        """Return what earlier units of the same commit handed to `flush`: not written yet, so no statement sees it."""
        return self._neighbours.waiting(flush) if self._neighbours is not None else ()

    def postpone(self) -> NoReturn:
        """Undo this unit and run it again as the first of the next commit. Only with a reason in an earlier unit."""
        raise Postponed

    def apart(self, key: Hashable) -> None:
        """Keep units that name the same `key` out of each other's commit; the later one runs after the earlier's."""
        if self._neighbours is not None and not self._neighbours.claim(key):
            self.postpone()

    def before_commit(self, key: str, finish: Callable[[Tx], None]) -> None:
        """Run `finish` once, after everything that is flushed together. The first registration under `key` wins."""
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


class Backend(Protocol):
    """A storage: SQLite in this process, or a database server."""

    dialect: str

    async def read(self, scope: Scope, work: Callable[[Tx], T]) -> T: ...
    async def write(self, scope: Scope, work: Callable[[Tx], T]) -> T: ...
    async def close(self) -> None: ...


class Database:
    """The one handle on storage. Open it once per process; `close` waits for writes under way."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, readers: int = 3, busy_timeout_s: float = 5.0) -> Database:
        """Open the SQLite file `path` (made with mode 0600). Raises BlazzError when another process holds it.

        `readers` bounds concurrent reads; `busy_timeout_s` bounds how long a write waits for a foreign lock.
        """
        from blazz.kit.db.sqlite import open_sqlite

        return cls(open_sqlite(path, readers=readers, busy_timeout_s=busy_timeout_s))

    @classmethod
    async def connect(cls, url: str, options: ServerOptions | None = None) -> Database:
        """Connect to a database server (`postgresql://`, `mysql://`, `mariadb://`); see `kit.db.urls` for the forms.

        Belongs to the event loop that it is opened on. Raises BlazzError: `database_url_invalid`,
        `database_unavailable`, `unsafe_durability`, `database_unsuitable`.
        """
        from blazz.kit.db.server import open_server

        return cls(await open_server(url, options or ServerOptions()))

    @classmethod
    async def from_settings(cls, settings: Settings) -> Database:
        """Open what the settings name: the server of `database_url`, else the SQLite file in the data directory."""
        if settings.database_url is None:
            return cls.open(settings.database_path)
        return await cls.connect(settings.database_url, ServerOptions.of(settings))

    @property
    def dialect(self) -> str:
        """The SQL dialect's name."""
        return self._backend.dialect

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
        return await self._backend.read(scope, lambda tx: work(tx, *args, **kwargs))

    async def write(
        self,
        scope: Scope,
        work: Callable[Concatenate[Tx, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work` in a transaction; when this returns, its changes survive a power cut.

        `work` may be run again (after a deadlock, a lost connection, a race on a unique key), so it must have no other
        effect than its statements. If it raises, only its own changes are undone. Raises BlazzError
        `database_unavailable` when the database refuses, `database_busy` when too much waits. A caller that is
        cancelled while waiting does not know the outcome: the unit may still commit.
        """
        self._check_open()
        return await self._backend.write(scope, lambda tx: work(tx, *args, **kwargs))

    async def close(self) -> None:
        """Finish the writes under way, then close all connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._backend.close()

    def _check_open(self) -> None:
        if self._closed:
            raise unavailable("shutting_down", "The server is shutting down.")


def translate(error: BaseException) -> BaseException:
    """Return the error a caller should see for a driver's failure; anything else unchanged."""
    if isinstance(error, DBAPIError) and not isinstance(error, BlazzError):
        if isinstance(error, (IntegrityError, DataError)):
            return error
        if fault_of(error) in (Fault.CONTENT, Fault.RACE) and isinstance(error.orig, Exception):
            # the same class whatever the driver makes of it
            content = DataError(error.statement, error.params, error.orig, hide_parameters=True)
            content.__cause__ = error
            return content
        failure = unavailable(
            "database_unavailable",
            f"The database refused: {type(error.orig).__name__}.",
        )
        with contextlib.suppress(Exception):
            failure.__cause__ = error
        return failure
    return error
