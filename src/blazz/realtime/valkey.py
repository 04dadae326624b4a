"""Carries wake-ups and ephemeral events between processes through Valkey or Redis. Hints only: nothing rests on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.events.wakeups import Topic, Wakeups

_log = structlog.get_logger(__name__)
_CHANNEL = "blazz:hints"
_BATCH = 256
_QUEUE = 10_000  # beyond this hints are dropped; polling finds the news
_PAUSES_S = (0.1, 0.3, 1.0, 3.0, 5.0)
_SOCKET_S = 5.0


_STOP_S = 1.0  # until a task that goes on is cancelled once more
_GATHER_S = 0.005


class ValkeyBridge:
    """Sends this process's hints out and brings the others' in; reconnects for ever."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._me = secrets.token_hex(8)
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_QUEUE)
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: list[Callable[[], None]] = []
        self.connected = asyncio.Event()
        """Set while hints of other processes are received."""

    async def start(self) -> None:
        """Begin; does not wait for the connection."""
        self._ends = [Wakeups.shared().tap(self._on_topic), Ephemerals.shared().tap(self._on_ephemeral)]
        self._tasks = [
            asyncio.create_task(self._forever(self._publish), name="valkey-publish"),
            asyncio.create_task(self._forever(self._follow), name="valkey-follow"),
        ]

    async def stop(self) -> None:
        """End both directions. Idempotent."""
        for end in self._ends:
            end()
        self._ends = []
        tasks, self._tasks = self._tasks, []
        while tasks:
            for task in tasks:
                task.cancel()
            # the client library may take a cancellation for the end of its own waiting and go on
            _, left = await asyncio.wait(tasks, timeout=_STOP_S)
            tasks = list(left)

    def _on_topic(self, topic: Topic) -> None:
        kind = "workspace" if isinstance(topic, uuid.UUID) else "topic"
        self._queue({kind: str(topic)})

    def _on_ephemeral(self, event: EphemeralEvent) -> None:
        account = str(event.account_id) if event.account_id else None
        content = {"workspace": str(event.workspace_id), "name": event.name, "account": account, "data": event.data}
        self._queue({"ephemeral": content})

    def _queue(self, hint: dict[str, Any]) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._out.put_nowait(hint)

    async def _forever(self, work: Callable[[Redis], Any]) -> None:
        failures = 0
        while True:
            client = Redis.from_url(
                self._url, socket_connect_timeout=_SOCKET_S, socket_timeout=_SOCKET_S, health_check_interval=15
            )
            try:
                await client.ping()
                failures = 0
                await work(client)
            except (RedisError, OSError, TimeoutError) as error:
                if not failures:
                    _log.warning("valkey is away; polling instead", error=type(error).__name__)
            finally:
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    await client.aclose()
            await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            failures += 1

    async def _publish(self, client: Redis) -> None:
        while True:
            hints = [await self._out.get()]
            # inside this process everybody knows already; the others get one message for what gathers meanwhile
            await asyncio.sleep(_GATHER_S)
            while len(hints) < _BATCH and not self._out.empty():
                hints.append(self._out.get_nowait())
            unique = {json.dumps(hint, separators=(",", ":"), default=str) for hint in hints}
            await client.publish(_CHANNEL, f"{self._me} [{','.join(unique)}]")

    async def _follow(self, client: Redis) -> None:
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(_CHANNEL)
                self.connected.set()
                while True:
                    message = await channel.get_message(timeout=1.0)
                    if message is not None:
                        self._on_message(message["data"])
        finally:
            self.connected.clear()

    def _on_message(self, raw: bytes) -> None:
        sender, _, content = raw.decode().partition(" ")
        if sender == self._me:
            return
        for hint in json.loads(content):
            if "workspace" in hint:
                Wakeups.shared().notify(uuid.UUID(hint["workspace"]), forward=False)
            elif "topic" in hint:
                Wakeups.shared().notify(hint["topic"], forward=False)
            else:
                event = hint["ephemeral"]
                account = uuid.UUID(event["account"]) if event["account"] else None
                Ephemerals.shared().publish(
                    EphemeralEvent(uuid.UUID(event["workspace"]), event["name"], account, event["data"]),
                    forward=False,
                )
