"""The databases that migrations work on: a SQLite file or a server, with the lock that keeps two upgrades apart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
from filelock import FileLock, Timeout
from sqlalchemy import make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blazz.kit.db.examine import refuse_unsuitable
from blazz.kit.db.sqlite import make_engine
from blazz.kit.db.urls import server_url, split_tls
from blazz.kit.errors import BlazzError, unavailable
from blazz.kit.files import private_file

T = TypeVar("T")
Target = Path | str
"""The path of a SQLite file, or the URL of a server."""

_CONNECT_S = 5
_UPGRADE_WAITS_S = 120.0
_TABLE_LOCK_S = 15
"""How long one step waits for a table that is in use; meanwhile those who want the table wait behind it."""
_LOCK = 0x426C617A7A  # "Blazz", for PostgreSQL's advisory locks


def name(target: Target) -> str:
    """Return how messages name the database: without a password."""
    return str(target) if isinstance(target, Path) else make_url(target).render_as_string(hide_password=True)


def transactional(connection: Connection) -> bool:
    """Return whether the database can undo a change of its schema."""
    return connection.dialect.name not in ("mysql", "mariadb")


def reading(target: Target, work: Callable[[Connection], T]) -> T:
    """Run `work`, which changes nothing, on one snapshot. Raises BlazzError `database_unavailable`."""
    path = _path(target)
    if path is None:
        return _on_server(str(target), work, isolation_level="REPEATABLE READ")
    engine = make_engine(path, query_only=True)
    try:
        with engine.connect() as connection:
            return work(connection)
    finally:
        engine.dispose()


def upgrading(target: Target, work: Callable[[Connection], None]) -> None:
    """Run `work` in a transaction while no other upgrade runs; see `migrations.upgrade` for errors."""
    path = _path(target)
    if path is None:

        def on_server(connection: Connection) -> None:
            refuse_unsuitable(connection)
            _locked(connection, name(target), work)

        _on_server(str(target), on_server)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(str(path) + ".lock", timeout=0):
            private_file(path)
            engine = make_engine(path)
            try:
                with engine.begin() as connection:
                    work(connection)
            finally:
                engine.dispose()
    except Timeout:
        raise BlazzError("database_in_use", f"Another Blazz process is using {path}. Stop it first.", 503) from None


def exclusively(target: str, work: Callable[[Connection], None]) -> None:
    """Run `work`, which commits by itself, on a server while no upgrade and no other such work runs there.

    Raises BlazzError as `upgrading` does.
    """

    def on_server(connection: Connection) -> None:
        refuse_unsuitable(connection)
        if connection.dialect.name == "postgresql":
            # of the connection, not of a transaction
            got = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK})
        else:
            got = connection.scalar(text("SELECT GET_LOCK(:name, 0)"), {"name": _lock_name(connection)})
        connection.commit()
        if not got:
            raise _busy(name(target))
        work(connection)

    _on_server(target, on_server)


def _path(target: Target) -> Path | None:
    if isinstance(target, Path):
        return target
    url = make_url(target)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _on_server(url: str, work: Callable[[Connection], T], **options: Any) -> T:
    address, tls = split_tls(server_url(url))
    waits = {"timeout" if address.get_backend_name() == "postgresql" else "connect_timeout": _CONNECT_S}

    async def run() -> T:
        engine = create_async_engine(address, poolclass=NullPool, connect_args={**waits, **tls}, **options)
        try:
            async with engine.connect() as connection:
                with _quiet_driver():
                    found = await connection.run_sync(work)
                await connection.commit()
                return found
        except DBAPIError as error:
            raise unavailable("database_unavailable", f"{name(url)}: {error.orig}") from error
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise unavailable("database_unavailable", f"{name(url)} cannot be reached ({error}).") from error
        finally:
            await engine.dispose()

    return asyncio.run(run())


@contextlib.contextmanager
def _quiet_driver() -> Iterator[None]:
    """Keep back what MySQL's driver warns of: that primary keys have no names of their own there."""
    driver = logging.getLogger("asyncmy")
    before = driver.level
    driver.setLevel(logging.ERROR)
    try:
        yield
    finally:
        driver.setLevel(before)


def _locked(connection: Connection, named: str, work: Callable[[Connection], None]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_S}s'"))
        deadline = time.monotonic() + _UPGRADE_WAITS_S
        # until the end of the transaction; asked for again and again, because waiting falls under the time-out above
        while not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
            if time.monotonic() > deadline:
                raise _busy(named)
            time.sleep(0.2)
        work(connection)
        return
    connection.execute(text(f"SET SESSION lock_wait_timeout = {_TABLE_LOCK_S}"))
    given = {"name": _lock_name(connection), "wait": _UPGRADE_WAITS_S}
    if not connection.scalar(text("SELECT GET_LOCK(:name, :wait)"), given):
        raise _busy(named)
    # belongs to the connection, which is closed afterwards
    work(connection)


def _lock_name(connection: Connection) -> str:
    return f"blazz_schema_{connection.engine.url.database}"[:64]  # MySQL's limit


def _busy(named: str) -> BlazzError:
    return unavailable("database_in_use", f"Another upgrade of {named} is running. Wait for its end.", retry_after_s=30)
