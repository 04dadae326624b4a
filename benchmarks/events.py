"""A reader of the product's event stream for benchmarks."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect


class EventSocket:
    """Follows the WebSocket from now on; counts events and completes expectations."""

    def __init__(self, url: str, api_key: str, after: int | None = None) -> None:
        self._url = url.replace("http", "ws", 1) + "/api/v1/events/ws"
        self._after = after
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._expected: dict[tuple[str, str], asyncio.Future[float]] = {}
        self.counts: dict[str, int] = defaultdict(int)
        self.last_position = 0
        self.received_at: dict[str, float] = {}
        """Moment (time.time) at which `message.received` arrived, by message id."""

    async def __aenter__(self) -> Self:
        suffix = f"?after={self._after}" if self._after is not None else ""
        self._socket = await connect(
            self._url + suffix, additional_headers=self._headers, proxy=None, compression=None, max_queue=4096
        )
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._read(ready))
        await asyncio.wait_for(ready.wait(), 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None and self._socket is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._socket.close()

    def expect(self, name: str, account_id: str) -> asyncio.Future[float]:
        """Return a future that completes with the moment of the next such event."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._expected[name, account_id] = future
        return future

    async def _read(self, ready: asyncio.Event) -> None:
        assert self._socket is not None
        async for raw in self._socket:
            frame: dict[str, Any] = json.loads(raw)
            kind = frame.get("type")
            if kind == "ready":
                ready.set()
            elif kind == "ping":
                await self._socket.send('{"type":"pong"}')
            elif kind in ("event", "ephemeral"):
                self._handle(frame["event"])

    def _handle(self, event: dict[str, Any]) -> None:
        name = event["name"]
        self.counts[name] += 1
        self.last_position = event.get("position") or self.last_position
        if name == "message.received":
            self.received_at[event["data"]["message_id"]] = time.time()
        waiting = self._expected.pop((name, str(event.get("account_id"))), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(time.perf_counter())
