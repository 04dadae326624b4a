"""The engine host as a child process: started on a fresh socket, proven to be ours, ended with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from blazz.engine_client.client import EngineClient
from blazz.engine_client.errors import EngineError
from blazz.engine_client.network import NetworkSettings
from blazz.kit.errors import BlazzError

_log = structlog.get_logger(__name__)
_LINE_LIMIT = 256 * 1024  # bytes of one log line; a longer one is skipped
_REPORT_S = 5.0
_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error"}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to start the engine host. `lock_fd` stays open in the child alone and so proves how long it lives."""

    binary: Path
    sessions_dir: Path
    media_dir: Path
    network: NetworkSettings
    lock_fd: int | None = None
    extra: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, repr=False)  # may hold a password
    ready_s: float = 20.0


@dataclass(frozen=True, slots=True)
class CrashReport:
    """How an engine host ended by itself: what failed, where, and for which sessions. Holds no values."""

    kind: str = ""
    frames: tuple[str, ...] = ()
    sessions: frozenset[str] = frozenset()


class EngineProcess:
    """A running engine host. Made by `start`; `client` speaks to it; `exited` ends when it ends."""

    def __init__(
        self, binary: Path, process: asyncio.subprocess.Process, directory: Path, client: EngineClient
    ) -> None:
        self._binary = binary
        self._process = process
        self._directory = directory
        self.client = client
        self._logs = asyncio.create_task(self._read_logs(), name="engine-logs")
        self.run_id = ""
        self.last_lines: list[str] = []
        """The last errors and lines that were no log entries, for the one who must know why it ended."""

    @classmethod
    async def start(cls, options: EngineOptions) -> EngineProcess:
        """Start the child and wait until it answers with its own pid. Raises BlazzError `engine_not_started`."""
        # Not beneath the data directory: a Unix socket's path is limited to 104 bytes on macOS.
        directory = Path(tempfile.mkdtemp(prefix="blz-", dir=_short_directory()))
        socket = directory / f"{secrets.token_hex(4)}.sock"
        try:
            process = await asyncio.create_subprocess_exec(
                *(str(options.binary), "serve", "--socket", str(socket)),
                *("--sessions-dir", str(options.sessions_dir), "--media-dir", str(options.media_dir)),
                *options.network.arguments(),
                *options.extra,
                stdin=asyncio.subprocess.PIPE,  # held open: its closing ends the engine host
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                env={**os.environ, **options.environment},
                pass_fds=() if options.lock_fd is None else (options.lock_fd,),
                start_new_session=True,  # Ctrl-C reaches the parent, which then closes the sessions politely
            )
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise BlazzError("engine_not_started", f"{options.binary} cannot be run: {error}", 500) from error
        engine = cls(options.binary, process, directory, EngineClient.open(socket))
        try:
            await engine._wait_ready(options.ready_s)
        except BaseException:
            await engine.kill()
            raise
        return engine

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has not been seen to end."""
        return self._process.returncode is None

    async def exited(self) -> int:
        """Wait for the end; return the exit code (negative: the signal's number)."""
        return await self._process.wait()

    async def crash_report(self) -> CrashReport:
        """Return how a host that has ended failed; call it before `kill`, which removes the traces."""
        try:
            async with asyncio.timeout(_REPORT_S):
                reading = await asyncio.create_subprocess_exec(
                    *(str(self._binary), "crash-report", str(self._directory)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                said, _ = await reading.communicate()
            report: Any = json.loads(said)
            if not report.get("crashed"):
                return CrashReport()
            frames, sessions = tuple(report.get("frames", ())), frozenset(report.get("sessions", ()))
            return CrashReport(str(report.get("kind", "")), frames, sessions)
        except (OSError, TimeoutError, ValueError, AttributeError) as error:
            _log.warning("crash report cannot be read", error=str(error))
            return CrashReport()

    async def stop(self, timeout_s: float = 8.0) -> None:
        """Close standard input and terminate, wait `timeout_s` for a polite end, then kill. Idempotent."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._process.wait()
            except TimeoutError:
                _log.warning("engine host did not end in time, killing it", pid=self.pid)
        await self.kill()

    async def kill(self) -> None:
        """End the child at once (SIGKILL), reap it and remove its socket. Idempotent."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await self.client.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._logs
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _wait_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                hello = await self.client.hello(timeout_s=1.0)
            except EngineError as error:
                if not self.running:
                    await asyncio.wait({self._logs}, timeout=1)
                    said = " | ".join(self.last_lines[-3:])
                    raise BlazzError(
                        "engine_not_started",
                        f"The engine host ended while starting (exit code {self._process.returncode}). {said}".strip(),
                        500,
                    ) from None
                if time.monotonic() > deadline:
                    raise BlazzError(
                        "engine_not_started", f"The engine host did not answer in {seconds:.0f} s: {error}", 500
                    ) from None
                await asyncio.sleep(0.02)
                continue
            if hello.pid != self.pid:
                raise BlazzError("engine_not_started", "Another process answers on the engine host's socket.", 500)
            self.run_id = hello.run_id
            _log.info(
                "engine host ready",
                pid=self.pid,
                version=hello.host_version,
                whatsmeow=hello.whatsmeow_version,
                network=hello.network_id,
            )
            return

    async def _read_logs(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        while True:
            try:
                raw = await stream.readline()
            except ValueError:  # a line beyond the limit; the reader has dropped it
                continue
            if not raw:
                return
            self._log_line(raw.decode("utf-8", "replace").rstrip())

    def _log_line(self, text: str) -> None:
        try:
            fields: Any = json.loads(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            self.last_lines = [*self.last_lines[-40:], text[:400]]
            return
        level = _LEVELS.get(str(fields.pop("level", "info")).lower(), "info")
        message = str(fields.pop("msg", fields.pop("message", "")))
        fields.pop("time", None)
        if level == "error":
            self.last_lines = [*self.last_lines[-40:], text[:400]]
        details = {f"engine_{key}" if key in ("event", "timestamp", "logger") else key: fields[key] for key in fields}
        getattr(_log, level)(message or "engine host", source="engine", **details)


def _short_directory() -> str | None:
    """Return a short place for sockets; None leaves the choice to the system."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for candidate in (runtime, "/tmp"):  # noqa: S108 - mkdtemp makes a private directory in it
        if candidate and len(candidate) < 60 and os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    return None
