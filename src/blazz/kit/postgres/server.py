"""A private PostgreSQL server: a child process on a Unix socket in a 0700 directory, gone when this process is gone.

The server's programs come with a Python package; nothing of the system is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pwd
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import structlog
from filelock import FileLock, Timeout

from blazz.kit.files import private_directory
from blazz.kit.postgres.place import (
    Sockets,
    User,
    as_user,
    binaries_directory,
    check_reachable,
    in_use,
    opened,
    recorded_pid,
    server_lock,
    server_user,
    unavailable,
)

_log = structlog.get_logger(__name__)
_START_S = 60.0  # recovery after a power cut reads up to max_wal_size
_STOP_S = 30.0
_INITDB_S = 120.0
_KEPT_LOGS = 5
_DATABASE = "blazz"
_MAJOR = "18"  # of the programs in the package, whose version is bounded in pyproject.toml
_ADDRESS = "address"

# The shell waits for the end of its standard input, a pipe from this process: also kill -9 ends the server. INT is
# PostgreSQL's fast shutdown: connections are closed, everything is written.
_WATCH = 'exec 3<&0; "$@" </dev/null 3<&- & child=$!; (cat <&3 >/dev/null; kill -INT $child 2>/dev/null) & wait $child'

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "240",  # 12 processes with 16 connections each, and some for people
    "superuser_reserved_connections": "5",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",  # our statements are short
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "deadlock_timeout": "200ms",
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "2s",  # a long statement of a dead client ends
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%Y%m%d-%H%M%S.log",
    "log_rotation_age": "0",
    "log_rotation_size": "10MB",
    "log_file_mode": "0600",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements hold what people wrote
    "log_error_verbosity": "terse",  # so do the details of a violated constraint
}


class PrivatePostgres:
    """A running server. `url` is for `Database.connect`; every user of the computer but ours is refused."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        directory: Path,
        sockets: Sockets,
        lock: FileLock,
        again: Callable[[int], Awaitable[asyncio.subprocess.Process]],
    ) -> None:
        self._process = process
        self._directory = directory
        self._sockets = sockets
        self._lock = lock
        self._again = again
        self.url = self.database_url(_DATABASE)

    @classmethod
    async def start(cls, directory: Path, *, settings: dict[str, str] | None = None) -> PrivatePostgres:
        """Start the server whose data is in `directory` (made when absent) and return it once it answers.

        `settings` are further PostgreSQL settings. Raises BlazzError `database_in_use` while another server runs on
        `directory`, `postgres_unavailable` when it cannot start, with the reason.
        """
        binaries = await asyncio.to_thread(binaries_directory)
        await asyncio.to_thread(private_directory, directory)
        directory = await asyncio.to_thread(directory.resolve)
        lock = FileLock(str(directory / "parent.lock"), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise in_use(directory) from None
        try:
            return await cls._start(binaries, directory, lock, settings or {})
        except BaseException:
            lock.release()
            raise

    @classmethod
    async def _start(cls, binaries: Path, directory: Path, lock: FileLock, settings: dict[str, str]) -> PrivatePostgres:
        user = server_user(directory)
        check_reachable(binaries, user)
        async with server_lock(directory) as held:
            if not (directory / "data").exists():
                await _create(binaries, directory, user)
            _check_version(directory)
            sockets = Sockets.make(directory, user)
            process = await _spawn(binaries, directory, user, sockets, settings, held)
        again = functools.partial(_spawn, binaries, directory, user, sockets, settings)
        server = cls(process, directory, sockets, lock, again)
        try:
            await server._answers()
            await server._ensure_database()
        except BaseException:
            await server.stop()
            raise
        (directory / _ADDRESS).write_text(server.url)
        return server

    @staticmethod
    def address(directory: Path) -> str | None:
        """Return the URL of the server that was last started on `directory`, by any process; None when none was."""
        path = directory / _ADDRESS
        return path.read_text() if path.exists() else None

    def database_url(self, name: str) -> str:
        """Return the address of database `name` on this server."""
        return f"postgresql://{_DATABASE}@/{name}?host={self._sockets.path}"

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return recorded_pid(self._directory) or self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Return the exit code once the server has ended, by itself or by `stop`."""
        return await self._process.wait()

    async def restart(self) -> None:
        """Start a server that has ended by itself again, under the same URL.

        Raises BlazzError as `start` does; another try may follow.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        async with server_lock(self._directory) as held:
            self._process = await self._again(held)
        await self._answers()

    async def stop(self) -> None:
        """End the server: connections are closed, everything is on disk. Idempotent."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            _log.warning("postgres does not stop; killed", directory=str(self._directory))
            _kill_group(process.pid)
            await process.wait()
        await asyncio.to_thread(self._sockets.remove)
        self._lock.release()

    async def _answers(self) -> None:
        deadline = asyncio.get_running_loop().time() + _START_S
        while self._process.returncode is None and asyncio.get_running_loop().time() < deadline:
            try:
                connection = await self._connect("postgres")
            except (asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError, OSError, TimeoutError):
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return
        raise unavailable(f"PostgreSQL did not start: {_why(self._directory)}")

    async def _ensure_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _DATABASE):
                await connection.execute(f"CREATE DATABASE {_DATABASE}")
        finally:
            await connection.close()

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=str(self._sockets.path), user=_DATABASE, database=database, timeout=5, command_timeout=30
        )


async def _spawn(
    binaries: Path, directory: Path, user: User, sockets: Sockets, settings: dict[str, str], held: int
) -> asyncio.subprocess.Process:
    _prepare(directory, user)
    with (
        opened(user, directory / "data", sockets.path) as ((data, socket_directory), descriptors),
        (directory / "start.log").open("wb") as told,
    ):
        options = _SETTINGS | {"unix_socket_directories": socket_directory} | settings
        return await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WATCH, "postgres", str(binaries / "postgres"), "-D", data),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=told,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for us; we end it ourselves
            pass_fds=(held, *descriptors),
            **as_user(user),
        )


async def _create(binaries: Path, directory: Path, user: User) -> None:
    """Make the data directory; it gets its name when it is whole, so that a kill leaves nothing half made."""
    fresh = directory / "data.new"
    await asyncio.to_thread(shutil.rmtree, fresh, True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, user.uid, user.gid)
    with opened(user, fresh) as ((data,), descriptors):
        process = await asyncio.create_subprocess_exec(
            *(str(binaries / "initdb"), "-D", data, "-U", _DATABASE),
            *("--auth-local=peer", "--auth-host=reject", "--no-instructions"),
            # the same order of texts everywhere, whatever the system's locales are
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            pass_fds=descriptors,
            **as_user(user),
        )
        try:
            async with asyncio.timeout(_INITDB_S):
                _, errors = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
    if process.returncode != 0:
        told = errors.decode(errors="replace").strip().splitlines()
        raise unavailable(f"The database could not be made: {told[-1] if told else 'initdb failed'}")
    fresh.rename(directory / "data")


def _check_version(directory: Path) -> None:
    """Refuse data of another major version: PostgreSQL does not read it, and says so less clearly."""
    made_by = (directory / "data" / "PG_VERSION").read_text().strip()
    if made_by != _MAJOR:
        raise unavailable(
            f"{directory} was made by PostgreSQL {made_by}, this version of Blazz brings {_MAJOR}. Write the data out "
            "with the version of Blazz that made it (pg_dump), and read it into a new data directory."
        )


def _prepare(directory: Path, user: User) -> None:
    """Write who may connect, and remove old logs."""
    data = directory / "data"
    ourselves = pwd.getpwuid(os.geteuid()).pw_name
    _write(data / "pg_hba.conf", "local all all peer map=blazz\n", user)
    _write(data / "pg_ident.conf", f'blazz "{ourselves}" {_DATABASE}\n', user)
    logs = sorted((data / "log").glob("postgresql-*.log"))
    for old in logs[:-_KEPT_LOGS]:
        old.unlink(missing_ok=True)


def _write(path: Path, content: str, user: User) -> None:
    path.unlink(missing_ok=True)  # never through a link: the directory belongs to the unprivileged user
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        os.fchown(descriptor, user.uid, user.gid)


def _environment() -> dict[str, str]:
    # nothing of ours: PG* variables change what the programs do
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _why(directory: Path) -> str:
    """Return the last error that the server told at its start."""
    lines = (directory / "start.log").read_text(errors="replace").splitlines()
    logs = sorted((directory / "data" / "log").glob("postgresql-*.log"))
    if logs:
        lines += logs[-1].read_text(errors="replace").splitlines()
    told = [line for line in lines if "FATAL" in line or "PANIC" in line or "cannot" in line]
    return told[-1] if told else "it did not answer in time"
