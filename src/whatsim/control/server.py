"""Serve the control API on a loopback address, inside a running event loop, with a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from whatsim.control.guard import is_loopback


class _QuietServer(uvicorn.Server):
    """A server that leaves the process's signals to whoever started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ControlServer:
    """The control API on one port; `async with` starts it and, at the end, closes its streams and connections."""

    def __init__(self, app: FastAPI, host: str = "127.0.0.1", port: int = 7070) -> None:
        """`port` 0 picks a free one. Raises ValueError for a host that other machines could reach."""
        if not is_loopback(host):
            raise ValueError(f"the control API has no password and listens only on loopback addresses, not on {host}")
        self._app = app
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address of the API and of the page, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Start serving and return when requests are answered. Raises OSError when the port is taken."""
        listener = socket.create_server(
            (self._host, self._port), family=socket.AF_INET6 if ":" in self._host else socket.AF_INET
        )
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            lifespan="off",
        )
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="whatsim-control")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the control API ended while it was starting")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """End the event streams and stop serving; does nothing when it is not running."""
        if self._server is None or self._task is None:
            return
        self._app.state.closing.set()
        self._server.should_exit = True
        await self._task
        self._server = self._task = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
