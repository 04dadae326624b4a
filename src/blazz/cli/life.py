"""The life of a long-running command: starts, says that it is ready, ends by signal or with its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
import uvloop

from blazz.cli.console import line
from blazz.kit.errors import BlazzError
from blazz.kit.logging import configure_logging
from blazz.kit.settings import Settings

Announce = Callable[[float], Awaitable[None]]


class Ending:
    """When this process shall end.

    The first SIGINT or SIGTERM asks politely: an instance then moves its sessions away. The second one, or the end
    of the parent, also sets `at_once`. A third one has the system's own effect.
    """

    def __init__(self, *, parent_stdin: bool) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._signalled)
        if parent_stdin:
            self._loop.add_reader(sys.stdin.fileno(), self._read_parent)

    def _signalled(self) -> None:
        if self.asked.is_set():
            self.at_once.set()
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.remove_signal_handler(number)
        self.asked.set()

    def _read_parent(self) -> None:
        """End when standard input closes: a parent that dies cannot say goodbye."""
        try:
            ended = not os.read(sys.stdin.fileno(), 4096)
        except OSError:
            ended = True
        if ended:
            self._loop.remove_reader(sys.stdin.fileno())
            self.at_once.set()
            self.asked.set()


class Part(Protocol):
    """What a command runs."""

    async def start(self) -> None:
        """Return when everything works. Raises BlazzError, with nothing left running."""

    async def drain(self, at_once: asyncio.Event) -> None:
        """Prepare the end for as long as it takes, or until `at_once` is set."""

    async def stop(self) -> None:
        """End everything. Idempotent."""


def run(
    settings: Settings,
    part: Part,
    announce: Announce,
    *,
    parent_stdin: bool,
    role: str = "",
    broken: Callable[[], Awaitable[BlazzError]] | None = None,
) -> None:
    """Run until SIGINT, SIGTERM or the parent's end. `announce` is called with the seconds that the start took.

    Raises BlazzError when the start fails, or what `broken` returns: why the part cannot go on. `role` stands in every
    line of the log.
    """
    configure_logging(settings)
    if role:
        structlog.contextvars.bind_contextvars(role=role)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(part, announce, parent_stdin, broken))


async def _run(
    part: Part, announce: Announce, parent_stdin: bool, broken: Callable[[], Awaitable[BlazzError]] | None
) -> None:
    ending = Ending(parent_stdin=parent_stdin)
    try:
        if not await _unless_asked(_begin(part, announce), ending):
            return
        await _until_asked(ending, broken)
        if not ending.at_once.is_set():
            await part.drain(ending.at_once)
    finally:
        await part.stop()


async def _until_asked(ending: Ending, broken: Callable[[], Awaitable[BlazzError]] | None) -> None:
    """Wait for the end that is asked for. Raises what `broken` returns, if that comes first."""
    if broken is None:
        await ending.asked.wait()
        return
    asked = asyncio.create_task(ending.asked.wait())
    failing = asyncio.ensure_future(broken())
    try:
        await asyncio.wait({asked, failing}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            raise failing.result()
    finally:
        asked.cancel()
        failing.cancel()
        await asyncio.gather(asked, failing, return_exceptions=True)


async def _begin(part: Part, announce: Announce) -> None:
    began = time.monotonic()
    await part.start()
    await announce(time.monotonic() - began)


async def _unless_asked(starting: Awaitable[None], ending: Ending) -> bool:
    """Start, and give up when asked to end meanwhile; returns whether the start was finished."""
    task = asyncio.ensure_future(starting)
    asked = asyncio.create_task(ending.asked.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        await task
        return True
    finally:
        task.cancel()
        asked.cancel()
        await asyncio.gather(task, asked, return_exceptions=True)


def ready_line(seconds: float, **facts: Any) -> None:
    """Print the one line of JSON by which a parent knows that this process works."""
    line(json.dumps({"ready": True, "pid": os.getpid(), **facts, "seconds": round(seconds, 2)}))
