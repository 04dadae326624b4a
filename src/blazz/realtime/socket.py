"""One WebSocket: frames out, pongs in, rights looked at again with every heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from blazz.events import PositionExpired
from blazz.kit.errors import BlazzError
from blazz.realtime import frames
from blazz.realtime.hub import SlowReader

PING_S = 15.0
PONG_TIMEOUT_S = 45.0
_CLOSE_S = 5.0
_MAX_FRAME = 256  # characters; a pong has 15


class _Ended(Exception):
    """The connection is over; `code` is what we close it with, 0 when the peer has gone."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Followed(Protocol):
    """A place in a log: everything behind it, each once and in order."""

    def frames(self) -> AsyncGenerator[str, None]:
        """Yield text frames for as long as somebody takes them. Raises SlowReader, PositionExpired or BlazzError."""
        ...


class EventSocket:
    """Serves an accepted WebSocket until either side ends it."""

    def __init__(
        self,
        websocket: WebSocket,
        subscription: Followed,
        authorise: Callable[[], Awaitable[object]],
        *,
        ping_s: float = PING_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        self._websocket = websocket
        self._subscription = subscription
        self._authorise = authorise
        self._ping_s = ping_s
        self._pong_timeout_s = pong_timeout_s
        self._heard_at = time.monotonic()

    async def serve(self, head: int) -> None:
        """Send `ready`, then events and pings; returns when the connection is closed."""
        parts = [asyncio.create_task(part) for part in (self._send(head), self._receive(), self._heartbeat())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in parts:
                task.cancel()
            outcomes = await asyncio.gather(*parts, return_exceptions=True)
        for task, outcome in zip(parts, outcomes, strict=True):
            if task in done and isinstance(outcome, _Ended):
                await close(self._websocket, outcome.code, outcome.reason)
                return
        for task, outcome in zip(parts, outcomes, strict=True):
            if task in done and isinstance(outcome, Exception):
                await close(self._websocket, frames.CLOSE_TRY_AGAIN)
                raise outcome

    async def _send(self, head: int) -> None:
        try:
            await self._websocket.send_text(frames.ready_frame(head))
            async with contextlib.aclosing(self._subscription.frames()) as texts:
                async for text in texts:
                    await self._websocket.send_text(text)
        except SlowReader:
            raise _Ended(frames.CLOSE_SLOW, "too slow") from None
        except PositionExpired:
            raise _Ended(frames.CLOSE_EXPIRED, "position expired") from None
        except BlazzError as error:
            raise _Ended(frames.CLOSE_TRY_AGAIN, error.code) from None
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise _Ended(0) from None  # the peer left while we wrote

    async def _receive(self) -> None:
        while True:
            try:
                text = await self._websocket.receive_text()
                content = json.loads(text) if len(text) <= _MAX_FRAME else None
            except (WebSocketDisconnect, RuntimeError):
                raise _Ended(0) from None
            except (KeyError, ValueError):
                raise _Ended(frames.CLOSE_BAD_REQUEST, "not a frame") from None
            if not isinstance(content, dict) or content.get("type") != "pong":
                raise _Ended(frames.CLOSE_BAD_REQUEST, "unknown frame")
            self._heard_at = time.monotonic()

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._ping_s)
            if time.monotonic() - self._heard_at > self._pong_timeout_s:
                raise _Ended(frames.CLOSE_SLOW, "no pong")
            try:
                await self._authorise()
                await self._websocket.send_text(frames.PING)
            except BlazzError as error:
                if error.status in (401, 403):
                    raise _Ended(frames.CLOSE_UNAUTHENTICATED, error.code) from None
                raise _Ended(frames.CLOSE_TRY_AGAIN, error.code) from None
            except (WebSocketDisconnect, RuntimeError, OSError):
                raise _Ended(0) from None


async def close(websocket: WebSocket, code: int, reason: str = "") -> None:
    """Close politely, without waiting long for a peer that has gone. Code 0: nobody is there any more."""
    if not code or websocket.application_state is WebSocketState.DISCONNECTED:
        return
    with contextlib.suppress(RuntimeError, OSError, TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await websocket.close(code, reason)
