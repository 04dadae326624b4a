"""Databases for tests: SQLite files, and fresh databases on a real PostgreSQL, MariaDB and (by URL) MySQL.

A test that asks for `database_url` (or for `running`, which does) gets SQLite. Marked `every_database` it runs once per
kind of database, marked `every_server` once per kind of server; `sqlite_is_enough` takes a test out again that is about
what is asked rather than about what is stored. The servers start when the first test needs them and
keep their data in memory where that is possible, with the settings that the product demands.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import asyncpg  # type: ignore[import-untyped]
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from sqlalchemy import make_url

from blazz import migrations
from blazz.kit.db import Database, metadata
from blazz.kit.postgres import PrivatePostgres
from tests.support import mariadb

MYSQL_URL = "BLAZZ_TEST_MYSQL_URL"
"""Names a running MySQL whose user may create databases; without it the tests on MySQL are not collected."""

_ROOM_IN_MEMORY = 2 * 1024**3
_template: dict[str, bytes] = {}


class Server(Protocol):
    """A database server of the tests."""

    def create(self, name: str) -> str:
        """Create an empty database and return its address."""

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""

    def empty(self, name: str, tables: list[str]) -> None:
        """Cut all connections to a database and delete all rows of these tables."""

    def stop(self) -> None:
        """End what was started."""


class _Postgres:
    def __init__(self, directory: Path, portal: BlockingPortal) -> None:
        self._portal = portal
        settings = {"max_wal_size": "128MB", "min_wal_size": "32MB", "shared_buffers": "64MB"}
        self._server = portal.call(lambda: PrivatePostgres.start(directory / "postgres", settings=settings))

    def create(self, name: str) -> str:
        self._run("postgres", f"CREATE DATABASE {name}")
        return self._server.database_url(name)

    def drop(self, name: str) -> None:
        self._run("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def empty(self, name: str, tables: list[str]) -> None:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        deletes = "".join(f'DELETE FROM "{table}";' for table in tables)
        self._run(name, f"SELECT pg_terminate_backend(pid) {others}; SET session_replication_role = replica; {deletes}")

    def stop(self) -> None:
        self._portal.call(self._server.stop)

    def _run(self, database: str, statements: str) -> None:
        async def run() -> None:
            url = make_url(self._server.database_url(database))
            connection = await asyncpg.connect(
                host=str(url.query["host"]), user=url.username, database=database, timeout=10
            )
            try:
                await connection.execute(statements, timeout=60)
            finally:
                await connection.close()

        self._portal.call(run)


class _MariaDB:
    def __init__(self, server: mariadb.MariaDB | mariadb.Remote) -> None:
        self.server = server

    def create(self, name: str) -> str:
        self.server.run(f"CREATE DATABASE {name}")
        return self.server.url(name)

    def drop(self, name: str) -> None:
        self.server.run(f"DROP DATABASE IF EXISTS {name}")

    def empty(self, name: str, tables: list[str]) -> None:
        who = f"SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID()"
        kills = "".join(f"KILL {number};" for number in self.server.run(who).split())
        deletes = "".join(f"DELETE FROM `{table}`;" for table in tables)
        self.server.run(f"{kills} USE {name}; SET foreign_key_checks = 0; {deletes}")

    def stop(self) -> None:
        self.server.stop()


class Servers:
    """The servers of this run, and their migrated databases that no test uses at the moment."""

    def __init__(self, directory: Path, portal: BlockingPortal) -> None:
        self._portal = portal
        self._directory = directory
        self._servers: dict[str, Server] = {}
        self._free: dict[str, list[tuple[str, str]]] = {}
        self._numbers = itertools.count(1)

    def server(self, kind: str) -> Server:
        """Return the running server; skips the test that asks when there is none on this computer."""
        if kind not in self._servers:
            self._servers[kind] = self._start(kind)
        return self._servers[kind]

    @contextlib.contextmanager
    def migrated(self, kind: str) -> Iterator[str]:
        """Lend a database with this version's schema and no rows. Its schema must not be changed."""
        server = self.server(kind)
        free = self._free.setdefault(kind, [])
        if free:
            name, url = free.pop()
        else:
            name = self._name()
            url = server.create(name)
            migrations.upgrade(url)
        yield url
        server.empty(name, [table.name for table in metadata.sorted_tables])
        free.append((name, url))

    @contextlib.contextmanager
    def empty(self, kind: str) -> Iterator[str]:
        """Lend a database without tables; what becomes of it is of no matter."""
        server, name = self.server(kind), self._name()
        yield server.create(name)
        server.drop(name)

    def stop(self) -> None:
        """End all servers."""
        for kind, server in self._servers.items():
            if kind == "mysql":
                for name, _ in self._free.get(kind, []):
                    server.drop(name)
            server.stop()

    def _name(self) -> str:
        return f"blazz_test_{os.getpid()}_{next(self._numbers)}"

    def _start(self, kind: str) -> Server:
        if kind == "postgresql":
            return _Postgres(self._directory, self._portal)
        if kind == "mysql":
            return _MariaDB(mariadb.Remote(os.environ[MYSQL_URL]))
        if not mariadb.installed():
            pytest.skip(mariadb.MISSING)
        (self._directory / "mariadb").mkdir(mode=0o700)
        return _MariaDB(mariadb.MariaDB(self._directory / "mariadb"))


def kinds_of_servers() -> list[str]:
    """Return the database servers that tests run on."""
    return ["postgresql", "mariadb", *(["mysql"] if os.environ.get(MYSQL_URL) else [])]


def migrated(path: Path) -> Path:
    """Write an empty SQLite database of this version to `path` (migrated once per test run, then copied)."""
    if "empty" not in _template:
        migrations.upgrade(path)
        _template["empty"] = path.read_bytes()
    else:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_template["empty"])
        path.chmod(0o600)
    return path


async def open_at(url: str) -> Database:
    """Open what `database_url` names."""
    if url.startswith("sqlite:"):
        return Database.open(Path(str(make_url(url).database)))
    return await Database.connect(url)


@contextlib.asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open what `database_url` names and close it at the end. Several may be open at once on a server."""
    database = await open_at(url)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture(scope="session")
def database_servers() -> Iterator[Servers]:
    """The database servers of this run."""
    with _directory() as directory, start_blocking_portal() as portal:
        servers = Servers(directory, portal)
        try:
            yield servers
        finally:
            servers.stop()


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite`, or what the marks `every_database` and `every_server` make of it."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database with this version's schema and no rows."""
    if database_kind == "sqlite":
        yield f"sqlite:///{migrated(tmp_path / 'blazz.db')}"
        return
    servers: Servers = request.getfixturevalue("database_servers")
    with servers.migrated(database_kind) as url:
        yield url


@pytest.fixture
def empty_database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database without tables (a SQLite file that is not there), for tests that change schemas."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'blazz.db'}"
        return
    servers: Servers = request.getfixturevalue("database_servers")
    with servers.empty(database_kind) as url:
        yield url


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_database: runs on SQLite, PostgreSQL and MariaDB")
    config.addinivalue_line("markers", "every_server: runs on PostgreSQL and MariaDB")
    config.addinivalue_line("markers", "sqlite_is_enough: the exception in a module that runs on every database")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat marked tests for each kind of database. Those on a server may not be skipped in CI."""
    marked: Callable[[str], object] = metafunc.definition.get_closest_marker
    if "database_kind" not in metafunc.fixturenames or not (marked("every_database") or marked("every_server")):
        return
    if marked("sqlite_is_enough"):
        return
    kinds = [pytest.param(kind, marks=pytest.mark.database) for kind in kinds_of_servers()]
    if marked("every_database"):
        kinds.insert(0, pytest.param("sqlite"))
    metafunc.parametrize("database_kind", kinds, indirect=True)


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A directory in memory if there is room, so that a commit waits for no disk; leftovers of killed runs go."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_IN_MEMORY
    parent = memory if roomy else Path(tempfile.gettempdir())
    for old in parent.glob("blazz-tests-*"):
        if not Path(f"/proc/{old.name.rpartition('-')[2]}").exists() and Path("/proc").exists():
            shutil.rmtree(old, ignore_errors=True)
    directory = parent / f"blazz-tests-{os.getpid()}"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
