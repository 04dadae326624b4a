"""The stream of changes for whoever watches the network (the phones page)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from whatsim.model import NetworkEvent

QUEUE_LIMIT = 1_000


class EventBus:
    """Hands every event to all present subscribers; one that does not keep up is ended."""

    def __init__(self) -> None:
        self._subscribers: set[Subscription] = set()

    @property
    def watched(self) -> bool:
        """Whether anybody listens; building an event can be skipped when not."""
        return bool(self._subscribers)

    def publish(self, event: NetworkEvent) -> None:
        for subscriber in list(self._subscribers):
            subscriber.offer(event)

    def subscribe(self) -> Subscription:
        """Return a stream from now on."""
        subscription = Subscription(self._subscribers)
        self._subscribers.add(subscription)
        return subscription

    def close(self) -> None:
        """End all streams."""
        for subscriber in list(self._subscribers):
            subscriber.end()


class Subscription(AsyncIterator[NetworkEvent]):
    """One subscriber's stream; it ends when the network closes or the reader falls too far behind."""

    def __init__(self, registry: set[Subscription]) -> None:
        self._registry = registry
        self._queue: asyncio.Queue[NetworkEvent | None] = asyncio.Queue()

    def offer(self, event: NetworkEvent) -> None:
        if self._queue.qsize() >= QUEUE_LIMIT:
            self.end()
        else:
            self._queue.put_nowait(event)

    def end(self) -> None:
        self._registry.discard(self)
        self._queue.put_nowait(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> NetworkEvent:
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        """Stop listening."""
        self._registry.discard(self)
