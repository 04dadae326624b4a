"""A role as a child process: started, known to be ready, started again when it dies, ended with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from blazz.kit.errors import BlazzError

_log = structlog.get_logger(__name__)
_READY_S = 90.0
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_OF_ONE_ROLE = frozenset({"BLAZZ_INTERNAL_URL"})  # several cannot have the same
_STABLE_S = 60.0  # a child that lived this long starts the pauses over


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start. `sockets` are descriptors that the child inherits."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    sockets: tuple[int, ...] = ()
    stop_s: float = 20.0


Reaped = Callable[["Child"], Awaitable[None]]


class Child:
    """Keeps one role running. `reaped` is awaited after each end that nobody asked for, before the next start."""

    def __init__(self, spec: ChildSpec, reaped: Reaped | None = None) -> None:
        self.spec = spec
        self.ready: dict[str, Any] = {}
        self.restarts = 0
        self._reaped = reaped
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the process has not been seen to end."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start, wait until the child is ready, and keep it from now on. Raises BlazzError `role_not_started`."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.spec.name}")

    async def stop(self) -> None:
        """End the child politely and keep it no longer; kill it when it takes too long. Idempotent."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._end()

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            process = self._process
            assert process is not None
            code = await process.wait()
            _log.error("a role ended", name=self.spec.name, pid=process.pid, exit_code=code)
            await self._tell_reaped()
            failures = 1 if time.monotonic() - began > _STABLE_S else failures + 1
            while True:
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S)) - 1])
                try:
                    await self._spawn()
                    break
                except BlazzError as error:
                    failures += 1
                    _log.error("a role did not start", name=self.spec.name, error=str(error))
            self.restarts += 1

    async def _tell_reaped(self) -> None:
        if self._reaped is not None:
            try:
                await self._reaped(self)
            except Exception:  # noqa: BLE001 - whatever fails here, the role must be started again
                _log.exception("after the end of a role", name=self.spec.name)

    async def _spawn(self) -> None:
        ours = {name: value for name, value in os.environ.items() if name not in _OF_ONE_ROLE}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "blazz", *self.spec.arguments, "--ready-json", "--parent-stdin"),
                stdin=asyncio.subprocess.PIPE,  # held open: its closing ends the child, also when we are killed
                stdout=asyncio.subprocess.PIPE,
                env={**ours, **self.spec.environment},
                pass_fds=self.spec.sockets,
                start_new_session=True,  # Ctrl-C reaches the parent, which then ends its children in their order
            )
        except OSError as error:
            raise BlazzError("role_not_started", f"{self.spec.name} cannot be run: {error}", 500) from error
        self._process = process
        try:
            async with asyncio.timeout(_READY_S):
                self.ready = await self._read_ready(process)
        except TimeoutError:
            await self._end()
            raise BlazzError(
                "role_not_started", f"{self.spec.name} was not ready within {_READY_S:.0f} s.", 500
            ) from None
        except BaseException:
            await self._end()
            raise
        _log.info("a role is ready", name=self.spec.name, pid=process.pid)

    async def _read_ready(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        while raw := await process.stdout.readline():
            with contextlib.suppress(ValueError):
                said = json.loads(raw)
                if isinstance(said, dict) and said.get("ready"):
                    return said
        code = await process.wait()
        raise BlazzError("role_not_started", f"{self.spec.name} ended while starting (exit code {code}).", 500)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        # not a signal: that would make an instance move its sessions to others that end as well
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(self.spec.stop_s):
                await process.wait()
        except TimeoutError:
            _log.warning("a role did not end in time; killed", name=self.spec.name, pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()
