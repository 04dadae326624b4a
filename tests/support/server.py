"""A real uvicorn server on a free port, for WebSockets and streaming."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.app import Running
from tests.support.waiting import eventually

WAIT_S = 15.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(running: Running) -> AsyncIterator[str]:
    """Serve the application (whose lifespan runs already); gives `127.0.0.1:port`."""
    config = uvicorn.Config(running.app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
    config.timeout_graceful_shutdown = 2
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or task.done())
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


class Follower:
    """A WebSocket client of the event stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, place: str, key: str | None = None, query: str = "", *, path: str = "/events/ws", **headers: str
    ) -> AsyncIterator[Follower]:
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        url = f"ws://{place}/api/v1{path}{query}"
        async with connect(url, additional_headers=headers, proxy=None, open_timeout=WAIT_S, max_queue=None) as socket:
            yield cls(socket)

    async def frame(self) -> dict[str, Any]:
        """The next frame that is not a ping; pings are answered."""
        while True:
            async with asyncio.timeout(WAIT_S):
                content: dict[str, Any] = json.loads(await self.socket.recv())
            if content["type"] != "ping":
                return content
            await self.socket.send('{"type":"pong"}')

    async def positions(self, count: int) -> list[int]:
        """The positions of the next events."""
        found: list[int] = []
        while len(found) < count:
            frame = await self.frame()
            if frame["type"] == "event":
                found.append(frame["event"]["position"])
        return found

    async def close_code(self) -> int:
        """Read until the server closes, and return its code."""
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
