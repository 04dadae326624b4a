"""PostgreSQL and Valkey of a fleet: started by the parent, started again on the same socket when they die."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from blazz.kit.errors import BlazzError
from blazz.kit.postgres import PrivatePostgres
from blazz.kit.valkey import PrivateValkey

_log = structlog.get_logger(__name__)
_PAUSES_S = (0.2, 1.0, 2.0, 5.0, 10.0)


async def keep_postgres(parts: contextlib.AsyncExitStack, directory: Path) -> str:
    """Run PostgreSQL on `directory` until `parts` is closed; returns its URL, which stays the same."""
    server = await PrivatePostgres.start(directory)

    async def restart() -> bool:
        try:
            await server.restart()
        except BlazzError as error:
            _log.error("postgres does not start", error=str(error))
            return False
        return True

    _keep(parts, "postgres", server.wait, restart, server.stop)
    return server.url


async def keep_valkey(parts: contextlib.AsyncExitStack, parent: Path) -> str | None:
    """Run Valkey until `parts` is closed; returns its URL, which stays the same, or None when it cannot start."""
    server = await PrivateValkey.start(parent)
    if server.url is not None:
        _keep(parts, "valkey", server.wait, server.restart, server.stop)
    return server.url


def _keep(
    parts: contextlib.AsyncExitStack,
    name: str,
    wait: Callable[[], Awaitable[object]],
    restart: Callable[[], Awaitable[bool]],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Watch a server in the background until `parts` is closed, which stops it."""

    async def watch() -> None:
        while True:
            await wait()
            _log.error("a server ended; it is started again", name=name)
            failures = 0
            while not await restart():
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stop()

    task = asyncio.create_task(watch(), name=f"keep-{name}")
    parts.push_async_callback(end)
