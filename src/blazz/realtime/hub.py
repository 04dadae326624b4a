"""Fan-out of the event log: one reader per workspace, however many sockets listen.

Positions have no gap, so each subscriber can prove that it misses nothing: it delivers position n+1 after n, skips what
it has, and reads the log itself where it is behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from blazz.events import EventPage, PositionExpired, Wakeups, read_after, read_head
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError
from blazz.realtime.frames import ephemeral_frame, event_frame

_log = structlog.get_logger(__name__)

POLL_S = 1.0  # how late an event is when no wake-up came
QUEUE_LIMIT = 1_000  # frames that wait for one socket
_PAGE = 500
_EPHEMERAL_LIMIT = QUEUE_LIMIT // 2  # typing must not push out what is durable


class SlowReader(Exception):
    """The subscriber did not take its frames in time."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A text frame; `position` is 0 for ephemeral ones."""

    position: int
    text: str


class Subscription:
    """One socket's place in the log. `frames` gives everything after `position`, each once and in order."""

    def __init__(self, feed: Feed, position: int) -> None:
        self._feed = feed
        self._position = position
        self._queue: deque[Frame] = deque()
        self._news = asyncio.Event()
        self._overflow = False
        self._live = False

    async def frames(self) -> AsyncGenerator[str, None]:
        """Yield frames for as long as somebody takes them. Raises SlowReader or PositionExpired."""
        while True:
            async for text in self._caught_up():
                yield text
            async for text in self._queued():
                yield text

    def push(self, frames: list[Frame]) -> None:
        """Take frames from the feed; they are refused when the reader is too slow."""
        if self._overflow or not self._live:
            return
        self._queue.extend(frames)
        if len(self._queue) > QUEUE_LIMIT:
            self._overflow = True
            self._queue.clear()
        self._news.set()

    def push_ephemeral(self, frame: Frame) -> None:
        """Take an ephemeral frame, or drop it when others wait."""
        if len(self._queue) < _EPHEMERAL_LIMIT:
            self._queue.append(frame)
            self._news.set()

    async def _caught_up(self) -> AsyncIterator[str]:
        """Read the log until nothing is missing between us and the feed, then go live without a pause between."""
        while self._position < self._feed.position:
            page = await self._feed.read(self._position)
            for row in page.events:
                yield event_frame(row)
                self._position = row.position
        self._live = True  # no await since the comparison: the next push continues exactly here

    async def _queued(self) -> AsyncIterator[str]:
        """Yield what the feed pushed, until a gap shows that the log must be read."""
        while True:
            while self._queue:
                frame = self._queue.popleft()
                if not frame.position:
                    yield frame.text
                elif frame.position == self._position + 1:
                    self._position = frame.position
                    yield frame.text
                elif frame.position > self._position:
                    self._live = False
                    return
            if self._overflow:
                raise SlowReader
            self._news.clear()
            await self._news.wait()


class Feed:
    """The shared reader of one workspace; runs while somebody listens."""

    def __init__(self, database: Database, workspace_id: uuid.UUID) -> None:
        self._database = database
        self._workspace_id = workspace_id
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._end_ephemerals: Callable[[], None] | None = None
        self.position = 0

    def __len__(self) -> int:
        return len(self._subscriptions)

    async def read(self, after: int) -> EventPage:
        """Return a page of the log after a position."""
        return await self._database.read(Workspace(self._workspace_id), read_after, self._workspace_id, after, _PAGE)

    def add(self, subscription: Subscription, head: int) -> None:
        """Let a subscriber listen; the first one starts the reader at `head`."""
        self._subscriptions.add(subscription)
        if self._task is None:
            self.position = head
            self._task = asyncio.create_task(self._run(), name=f"feed-{self._workspace_id}")
            self._end_ephemerals = Ephemerals.shared().subscribe(self._workspace_id, self._on_ephemeral)

    async def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber; the last one ends the reader."""
        self._subscriptions.discard(subscription)
        if not self._subscriptions:
            await self.stop()

    async def stop(self) -> None:
        """End the reader."""
        task, self._task = self._task, None
        if self._end_ephemerals is not None:
            self._end_ephemerals()
            self._end_ephemerals = None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        news = Wakeups.shared().subscribe(self._workspace_id)
        try:
            while True:
                try:
                    await self._broadcast()
                except BlazzError as error:  # the database is away: subscribers stay, the next poll may work
                    _log.warning("event feed cannot read", code=error.code)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await news.wait()
                news.clear()
        finally:
            Wakeups.shared().unsubscribe(self._workspace_id, news)

    async def _broadcast(self) -> None:
        while True:
            try:
                page = await self.read(self.position)
            except PositionExpired as expired:
                self.position = expired.oldest - 1  # nobody was reading for the whole retention
                continue
            if not page.events:
                return
            frames = [Frame(row.position, event_frame(row)) for row in page.events]
            self.position = frames[-1].position
            for subscription in tuple(self._subscriptions):
                subscription.push(frames)
            if len(page.events) < _PAGE:
                return

    def _on_ephemeral(self, event: EphemeralEvent) -> None:
        frame = Frame(0, ephemeral_frame(event))
        for subscription in tuple(self._subscriptions):
            subscription.push_ephemeral(frame)


class Hub:
    """The feeds of this process by workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._feeds: dict[uuid.UUID, Feed] = {}

    @property
    def sockets(self) -> int:
        """How many subscribers listen now."""
        return sum(len(feed) for feed in self._feeds.values())

    @contextlib.asynccontextmanager
    async def subscribe(self, workspace_id: uuid.UUID, after: int | None) -> AsyncIterator[tuple[Subscription, int]]:
        """Give a subscription that begins after a position (None: now), and the head of the log.

        Raises PositionExpired when the log does not reach back (or not yet forward) to `after`.
        """
        head, oldest = await self._database.read(Workspace(workspace_id), read_head, workspace_id)
        if after is not None and not oldest - 1 <= after <= head:
            raise PositionExpired(oldest)
        feed = self._feeds.setdefault(workspace_id, Feed(self._database, workspace_id))
        subscription = Subscription(feed, head if after is None else after)
        feed.add(subscription, head)
        try:
            yield subscription, head
        finally:
            await feed.remove(subscription)
            if not feed and self._feeds.get(workspace_id) is feed:
                del self._feeds[workspace_id]

    async def stop(self) -> None:
        """End all readers."""
        for feed in tuple(self._feeds.values()):
            await feed.stop()
        self._feeds.clear()
