"""PostgreSQL, MariaDB and MySQL: writer lanes with group commit, and reader connections with one snapshot per read.

Units of work are the same plain functions as on SQLite; they run on the caller's event loop in a greenlet that waits
at each statement (`AsyncConnection.run_sync`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from blazz.kit.db import guard
from blazz.kit.db.database import Tx, translate
from blazz.kit.db.examine import Finding, durability_findings, refuse_unsafe, refuse_unsuitable, version_of
from blazz.kit.db.faults import Fault, fault_of
from blazz.kit.db.group import Unit
from blazz.kit.db.lanes import Lane, busy
from blazz.kit.db.options import ServerOptions
from blazz.kit.db.scope import Platform, Scope, Workspace
from blazz.kit.db.urls import server_url, split_tls
from blazz.kit.errors import BlazzError, unavailable

_log = structlog.get_logger(__name__)
T = TypeVar("T")

_STRICT = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


async def open_server(address: str, options: ServerOptions) -> ServerBackend:
    """Connect, examine the server and return it ready for use. Raises BlazzError as `Database.connect` tells."""
    freshness = Freshness(options.stall_timeout_s / 2)
    writer = make_server_engine(address, options, writes=True)
    reader = make_server_engine(address, options, writes=False)
    freshness.watch(writer)
    freshness.watch(reader)
    try:
        await _examine(writer, options)
    except BaseException:
        await writer.dispose()
        await reader.dispose()
        raise
    return ServerBackend(writer, reader, options, freshness)


async def examine_server(address: str, options: ServerOptions) -> tuple[str, list[Finding]]:
    """Return what the server is, and which of its settings may lose acknowledged commits; for `blazz doctor`.

    Raises BlazzError `database_url_invalid`, `database_unavailable`, `database_unsuitable`.
    """

    def look(connection: Connection) -> tuple[str, list[Finding]]:
        refuse_unsuitable(connection)
        return version_of(connection), durability_findings(connection)

    engine = make_server_engine(address, options, writes=False)
    try:
        return await _ask(engine, options, look)
    finally:
        await engine.dispose()


async def _examine(engine: AsyncEngine, options: ServerOptions) -> None:
    def look(connection: Connection) -> None:
        refuse_unsuitable(connection)
        for finding in refuse_unsafe(connection, allow=options.allow_unsafe_durability):
            _log.warning("the database server may lose commits in a power cut", setting=str(finding))

    await _ask(engine, options, look)


async def _ask(engine: AsyncEngine, options: ServerOptions, look: Callable[[Connection], T]) -> T:
    limit = options.connect_timeout_s + options.statement_timeout_s
    try:
        async with asyncio.timeout(limit), engine.connect() as connection:
            return await connection.run_sync(look)
    except BlazzError:
        raise
    except Exception as error:
        failure = unavailable("database_unavailable", f"The database server cannot be reached: {_reason(error)}")
        raise failure from error


def _reason(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {origin}".strip(": ")[:300]


def make_server_engine(address: str, options: ServerOptions, *, writes: bool) -> AsyncEngine:
    """Return an engine whose sessions have our settings and the guard. Raises BlazzError `database_url_invalid`."""
    url, arguments = split_tls(server_url(address))
    postgres = url.get_backend_name() == "postgresql"
    if postgres:
        arguments |= _postgres_arguments(options, writes=writes)
    else:
        arguments |= {"connect_timeout": int(options.connect_timeout_s), "charset": "utf8mb4"}
    engine = create_async_engine(
        url,
        connect_args=arguments,
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
        pool_size=options.writers + 3 if writes else options.readers,
        max_overflow=0,
        pool_timeout=options.connect_timeout_s,
        pool_reset_on_return=None,  # every use ends its transaction itself
        pool_use_lifo=True,
        query_cache_size=1000,
        hide_parameters=True,  # parameters hold what people wrote; errors are logged
    )
    if not postgres:
        _configure_mysql(engine, options, writes=writes)
    event.listen(engine.sync_engine, "before_cursor_execute", guard.check)
    return engine


def _postgres_arguments(options: ServerOptions, *, writes: bool) -> dict[str, Any]:
    settings = {
        "application_name": "blazz",
        "timezone": "UTC",
        "jit": "off",
        "synchronous_commit": "on",
        "statement_timeout": _ms(options.statement_timeout_s),
        "lock_timeout": _ms(options.lock_timeout_s),
        "idle_in_transaction_session_timeout": _ms(options.stall_timeout_s),
    }
    if not writes:
        settings["default_transaction_read_only"] = "on"
    return {
        "timeout": options.connect_timeout_s,
        "command_timeout": options.statement_timeout_s + 2.0,  # only when the server does not answer at all
        "prepared_statement_cache_size": 500,
        "server_settings": settings,
    }


def _configure_mysql(engine: AsyncEngine, options: ServerOptions, *, writes: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SELECT VERSION()")
        mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
        settings: dict[str, str] = {
            "time_zone": "'+00:00'",
            "sql_mode": f"'{_STRICT}'",
            "innodb_lock_wait_timeout": str(max(1, round(options.lock_timeout_s))),
        }
        if mariadb:
            settings["max_statement_time"] = str(options.statement_timeout_s)
            settings["idle_transaction_timeout"] = str(max(1, round(options.stall_timeout_s)))
        else:
            settings["max_execution_time"] = _ms(options.statement_timeout_s)
            # the only way to end a transaction that stands still there; idle connections are replaced before
            settings["wait_timeout"] = str(max(1, round(options.stall_timeout_s)))
        for name, value in settings.items():
            cursor.execute(f"SET SESSION {name} = {value}")
        if not writes:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.close()


class Freshness:
    """Connections opened before one was found dead are not trusted: the server may have been restarted."""

    def __init__(self, idle_limit_s: float) -> None:
        """`idle_limit_s`: how long a connection may have been idle on a server that ends idle sessions (MySQL)."""
        self._since = 0.0
        self._idle_limit_s = idle_limit_s

    def lost(self) -> None:
        """Have every connection that is open now replaced before its next use."""
        self._since = time.monotonic()

    def watch(self, engine: AsyncEngine) -> None:
        """Look after the pool of `engine`."""
        now = time.monotonic
        limit = self._idle_limit_s if engine.dialect.name == "mysql" else float("inf")

        @event.listens_for(engine.sync_engine, "connect")
        def _born(_connection: Any, record: ConnectionPoolEntry) -> None:
            record.info["blazz_born"] = now()

        @event.listens_for(engine.sync_engine, "checkout")
        def _check(_connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
            if record.info["blazz_born"] <= self._since or record.info.get("blazz_idle", now()) < now() - limit:
                raise DisconnectionError

        @event.listens_for(engine.sync_engine, "checkin")
        def _idle(_connection: Any, record: ConnectionPoolEntry) -> None:
            record.info["blazz_idle"] = now()


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))


class ServerBackend:
    """A database server, for one process and its event loop."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, options: ServerOptions, freshness: Freshness) -> None:
        self.dialect = writer.dialect.name
        self._writer = writer
        self._reader = reader
        self._options = options
        self._freshness = freshness

        def lane(name: str) -> Lane:
            return Lane(name, writer, options, freshness.lost)

        self._workspaces = [lane(f"workspace-{number}") for number in range(options.writers)]
        self._many, self._platform, self._urgent = lane("workspaces"), lane("platform"), lane("urgent")

    @property
    def _lanes(self) -> list[Lane]:
        return [*self._workspaces, self._many, self._platform, self._urgent]

    async def read(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        """Run `work` in one read-only snapshot."""
        for attempt in (1, 2):
            try:
                return await self._read_once(scope, work)
            except BlazzError:
                raise
            except Exception as error:
                fault = fault_of(error)
                if fault is Fault.LOST:
                    self._freshness.lost()
                    if attempt == 1:
                        continue
                if fault is Fault.BUSY:
                    raise busy() from error
                translated = translate(error) if fault is not Fault.LOST else _lost(error)
                if translated is error:
                    raise
                raise translated from error
        raise AssertionError("unreachable")

    async def _read_once(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        def run(connection: Connection) -> T:
            connection.execution_options(**{guard.SCOPE_OPTION: scope})
            try:
                return work(Tx(connection, scope))
            finally:
                connection.execution_options(**{guard.SCOPE_OPTION: None})

        limit = self._options.connect_timeout_s + 2 * self._options.statement_timeout_s
        async with asyncio.timeout(limit), self._reader.connect() as connection:
            return await connection.run_sync(run)

    async def write(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        """Run `work` in the lane of its scope and return after its commit."""
        if sum(lane.waiting for lane in self._lanes) >= self._options.queue:
            raise busy()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._lane(scope).submit(Unit(scope, work, future, time.monotonic()))
        return await future

    def _lane(self, scope: Scope) -> Lane:
        """Units of one workspace share a lane, so that they never wait for each other's locks in this process."""
        if isinstance(scope, Platform):
            return self._urgent if scope.urgent else self._platform
        if isinstance(scope, Workspace):
            return self._workspaces[scope.id.int % len(self._workspaces)]
        if len(scope.ids) == 1:
            return self._workspaces[next(iter(scope.ids)).int % len(self._workspaces)]
        return self._many

    async def close(self) -> None:
        """Commit what waits, within a bound, then close all connections."""
        await asyncio.gather(*(lane.close() for lane in self._lanes), return_exceptions=True)
        await self._writer.dispose()
        await self._reader.dispose()


def _lost(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError):
        return translate(error)
    return unavailable("database_unavailable", f"The database server is away: {type(error).__name__}.")
