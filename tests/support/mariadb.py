"""A MariaDB server of the tests: Debian's `mariadb-server-core` on a private directory, on a Unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from sqlalchemy import make_url

MISSING = "MariaDB is not installed (sudo apt install mariadb-server-core)"

# The shell waits for the end of its standard input, a pipe from this process: also kill -9 ends the server. Its data
# is of no use afterwards, so it gets no time for a clean end.
_WATCH = 'exec 3<&0; "$@" </dev/null 3<&- & child=$!; (cat <&3 >/dev/null; kill -KILL $child 2>/dev/null) & wait $child'


def installed() -> bool:
    """Whether this computer has a MariaDB server that can be run."""
    return all(_program(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))


class Remote:
    """A MySQL or MariaDB server that somebody else runs, reached by TCP."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return self._url.set(database=database).render_as_string(hide_password=False)

    def run(self, statements: str) -> str:
        """Run SQL as the user of the address; returns what it prints."""
        where = [f"--host={self._url.host}", f"--port={self._url.port or 3306}", f"--user={self._url.username}"]
        return _client(where, statements, {"MYSQL_PWD": str(self._url.password or "")})

    def stop(self) -> None:
        """It is not ours to end."""


class MariaDB:
    """A running server, with a root user without password who can come in by the socket only."""

    def __init__(self, directory: Path) -> None:
        """Make the data in `directory` and start. Takes about two seconds."""
        self.socket = directory / "sock"
        self._directory = directory
        data = directory / "data"
        made = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", *_as_root(), "--skip-test-db"]
            + ["--auth-root-authentication-method=normal"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self._log = directory / "log"
        self.start()

    def start(self) -> None:
        """Start, or start again after `kill`: what was committed is there."""
        directory, data = self._directory, self._directory / "data"
        program = _program("mariadbd")
        assert program is not None
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("/bin/sh", "-c", _WATCH, "mariadbd", program, "--no-defaults", *_as_root()),
                    *(f"--datadir={data}", f"--socket={self.socket}", f"--pid-file={directory / 'pid'}"),
                    *("--skip-networking", "--skip-log-bin", "--max-connections=400"),
                    # as most installations have it: texts are compared without regard to case
                    *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"),
                    *("--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=fsync", "--innodb-use-native-aio=0"),
                    *("--innodb-log-file-size=64M", "--innodb-buffer-pool-size=128M"),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"mariadb://root@localhost/{database}?unix_socket={self.socket}"

    def run(self, statements: str) -> str:
        """Run SQL as root; returns what it prints."""
        return _client([f"--socket={self.socket}", "--user=root"], statements)

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return int((self._directory / "pid").read_text())

    def kill(self) -> None:
        """Kill -9 the server, and return once it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(30)
        assert self._process.stdin is not None
        self._process.stdin.close()

    def stop(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--execute=SELECT 1"]
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []  # it asks for that to be said


def _client(where: list[str], statements: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        ["mariadb", "--no-defaults", *where, "--batch", "--skip-column-names"],
        input=statements,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
