"""The platform's log as it grows: what a socket of an operator is fed with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from blazz.admin.schemas import PlatformEvent
from blazz.cluster import membership, platform_log
from blazz.events import PositionExpired, Wakeups
from blazz.kit.db import Database, Platform, Tx

SCOPE = Platform("operators follow the platform's log")
POLL_S = 1.0  # how late an event is when no wake-up came
_SETTLE_S = 0.25  # hints that come together are told once
_PAGE = 200
_CHANGED = json.dumps({"type": "ephemeral", "event": {"name": "cluster.changed", "data": {}}}, separators=(",", ":"))


def read_after(tx: Tx, after: int, limit: int) -> tuple[list[platform_log.PlatformEvent], int]:
    """Return events behind a position, and the head (platform scope).

    Raises PositionExpired when the log does not reach back (or not yet forward) to `after`.
    """
    head = platform_log.head(tx)
    found = platform_log.read_after(tx, after, limit)
    if after > head or (found and found[0].position != after + 1) or (not found and after < head):
        raise PositionExpired(platform_log.oldest(tx) or head + 1)
    return found, head


class PlatformFollower:
    """Everything behind a position, each event once and in order, and a hint whenever figures have changed.

    It reads when its socket is ready for more, so a slow reader holds nothing back but itself.
    """

    def __init__(self, database: Database, position: int) -> None:
        self._database = database
        self._position = position

    async def frames(self) -> AsyncGenerator[str, None]:
        """Yield text frames for as long as somebody takes them. Raises PositionExpired."""
        hints = Wakeups.shared()
        news, changes = hints.subscribe(platform_log.TOPIC), hints.subscribe(membership.TOPIC)
        try:
            while True:
                news.clear()
                found, _ = await self._database.read(SCOPE, read_after, self._position, _PAGE)
                for event in found:
                    yield event_frame(event)
                    self._position = event.position
                if changes.is_set():
                    changes.clear()
                    yield _CHANGED
                if len(found) < _PAGE:
                    await self._wait(news, changes)
        finally:
            hints.unsubscribe(platform_log.TOPIC, news)
            hints.unsubscribe(membership.TOPIC, changes)

    async def _wait(self, *hints: asyncio.Event) -> None:
        waiting = [asyncio.create_task(hint.wait()) for hint in hints]
        try:
            done, _ = await asyncio.wait(waiting, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if done:
            await asyncio.sleep(_SETTLE_S)


def event_frame(event: platform_log.PlatformEvent) -> str:
    """Return the text frame of a platform event."""
    return f'{{"type":"event","event":{PlatformEvent.model_validate(event).model_dump_json()}}}'
