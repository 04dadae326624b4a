"""Keeps one engine host running: starts it, follows its stream of events, starts it again with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from blazz.engine_client import CrashReport, EngineClient, EngineGone, EngineOptions, EngineProcess
from blazz.engine_client.stream import EventStream
from blazz.kit.errors import BlazzError
from blazz.sessions.engine_lock import take_engine_lock

_log = structlog.get_logger(__name__)
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_STABLE_S = 60.0  # an engine host that lived this long starts the pauses over
_STREAM_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class KeeperHooks:
    """What happens around the engine host. `up` is awaited before events are read; `down` after its end."""

    up: Callable[[EngineClient], Awaitable[None]]
    stream: Callable[[EventStream], Awaitable[None]]
    down: Callable[[int, CrashReport], Awaitable[None]]


class EngineKeeper:
    """Owns the engine host process of this instance."""

    def __init__(self, options: EngineOptions, lock: Path, hooks: KeeperHooks, *, lock_timeout_s: float) -> None:
        self._options = options
        self._lock = lock
        self._lock_timeout_s = lock_timeout_s
        self._hooks = hooks
        self._process: EngineProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def client(self) -> EngineClient | None:
        """The running engine host's client, None while there is none."""
        process = self._process
        return process.client if process is not None and process.running else None

    @property
    def pid(self) -> int | None:
        """The running engine host's process id."""
        process = self._process
        return process.pid if process is not None and process.running else None

    async def start(self) -> None:
        """Start the engine host and then keep it. Raises BlazzError when the first start fails."""
        process = await self._spawn()
        self._task = asyncio.create_task(self._keep(process), name="engine-keeper")

    async def stop(self, timeout_s: float) -> None:
        """End the engine host politely and keep it no longer. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._process is not None:
            await self._process.stop(timeout_s)
            self._process = None

    async def kill(self) -> None:
        """End the engine host at once: this instance has lost its right to speak."""
        if self._process is not None:
            await self._process.kill()

    async def _spawn(self) -> EngineProcess:
        descriptor = await take_engine_lock(self._lock, timeout_s=self._lock_timeout_s)
        try:
            self._process = await EngineProcess.start(replace(self._options, lock_fd=descriptor))
        finally:
            os.close(descriptor)
        return self._process

    async def _keep(self, process: EngineProcess) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            code = await self._live(process)
            failures = 1 if time.monotonic() - began > _STABLE_S else failures + 1
            report = await process.crash_report()
            _log.error(
                "engine host ended",
                exit_code=code,
                pid=process.pid,
                kind=report.kind,
                frames=report.frames[:8],
                sessions=sorted(report.sessions),
                said=process.last_lines[-5:],
            )
            await process.kill()
            await self._hooks.down(code, report)
            while True:
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S)) - 1])
                try:
                    process = await self._spawn()
                    break
                except BlazzError as error:
                    failures += 1
                    _log.error("engine host did not start", error=str(error))
            self.restarts += 1

    async def _live(self, process: EngineProcess) -> int:
        """Use the engine host until it ends; returns its exit code."""
        streaming = asyncio.create_task(self._stream(process.client), name="engine-events")
        try:
            await self._hooks.up(process.client)
            return await process.exited()
        finally:
            streaming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await streaming

    async def _stream(self, client: EngineClient) -> None:
        """Subscribe, and again when the stream breaks while the engine host lives."""
        while True:
            stream = client.events()
            answers = asyncio.create_task(stream.run_answers(), name="engine-answers")
            try:
                await self._hooks.stream(stream)
            except EngineGone as gone:
                _log.warning("stream of events ended", error=str(gone))
            finally:
                stream.cancel()
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
            await asyncio.sleep(_STREAM_PAUSE_S)
