"""Running other programs: output into the log, a clear error with the last lines, nothing left behind on Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.setup.errors import SetupError

_TAIL_LINES = 40


class CommandLog:
    """Runs commands for parallel steps; their output is appended to one log file, command by command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def run(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 900,
    ) -> str:
        """Runs a command to its end and returns what it wrote to standard output.

        Raises SetupError with the end of the output when the command is missing, fails or exceeds `timeout_s` seconds.
        """
        words = [str(word) for word in command]
        line = " ".join(words)
        try:
            process = self._start(words, cwd, env)
        except OSError as error:
            raise SetupError(f"Cannot run {words[0]}: {error.strerror}.") from error
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end_group(process)
            out, err = process.communicate()
            self._record(line, out, err)
            raise SetupError(f"No end after {timeout_s:.0f} s: {line}\n{_tail(out, err)}") from None
        finally:
            with self._lock:
                self._running.discard(process)
        self._record(line, out, err)
        if process.returncode != 0:
            raise SetupError(f"Failed (exit {process.returncode}): {line}\n{_tail(out, err)}")
        return out.decode(errors="replace")

    def stop(self) -> None:
        """Ends every command that still runs, with its children; later commands are refused."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end_group(process)

    def _start(self, words: list[str], cwd: Path, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise SetupError("Stopped.")
            # A session of its own, so that the whole family of a build tool can be ended at once.
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(env) if env is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def _record(self, line: str, out: bytes, err: bytes) -> None:
        with self._lock, self.path.open("ab") as log:
            log.write(f"$ {line}\n".encode() + out + err + b"\n")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _tail(out: bytes, err: bytes) -> str:
    lines = (out + b"\n" + err).decode(errors="replace").strip().splitlines()
    return "\n".join("    " + line for line in lines[-_TAIL_LINES:])
