"""The worker role: files that are fetched and converted, and chores, of which no failure stops the others."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from blazz.accounts import cleanup
from blazz.cluster import retention as retention_of_cluster
from blazz.cluster.advising import Advising
from blazz.cluster.controller import Controller
from blazz.events import retention
from blazz.identity import service as identity
from blazz.kit.db import Database
from blazz.kit.http import idempotency
from blazz.kit.settings import Settings
from blazz.media import orphans
from blazz.media.store import MediaStore
from blazz.media.worker import MediaWorker
from blazz.messaging import activity, expiry, imports

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every `interval_s` seconds."""

    name: str
    interval_s: float
    run: Callable[[], Awaitable[object]]


class Worker:
    """Runs the chores in background tasks that `stop` cancels.

    With `leader_name`, a name of its own among workers, it also runs the controller that watches instances.
    """

    def __init__(
        self, database: Database, settings: Settings, media_store: MediaStore, leader_name: str | None = None
    ) -> None:
        self.controller = None if leader_name is None else Controller(database, settings, leader_name)
        self._advising = None if self.controller is None else Advising(self.controller, database, settings)
        self._chores = [
            Chore("events.prune", 3600, lambda: retention.prune(database, settings.event_retention_days)),
            Chore("idempotency.prune", 3600, lambda: idempotency.prune(database)),
            Chore("identity.prune", 3600, lambda: identity.prune(database)),
            Chore("cluster.prune", 3600, lambda: retention_of_cluster.prune(database, settings.event_retention_days)),
            Chore("accounts.clean_up", 3600, lambda: cleanup.clean_up(database)),
            Chore("accounts.health", 300, lambda: activity.refresh(database)),
            Chore("messages.expire", 60, lambda: expiry.expire(database)),
            Chore("history.interrupt", 60, lambda: imports.interrupt_orphans(database)),
            Chore(
                "media.orphans",
                6 * 3600,
                lambda: orphans.remove_orphans(database, media_store, settings.media_orphan_days),
            ),
        ]
        self._media = MediaWorker(database, settings, media_store)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin. Each chore first runs within a minute, at a random moment, so that instances do not march in step."""
        self._tasks = [asyncio.create_task(self._repeat(chore), name=chore.name) for chore in self._chores]
        self._media.start()
        if self.controller is not None:
            self.controller.start()
        if self._advising is not None:
            self._advising.start()

    async def stop(self) -> None:
        """Cancel the chores and wait for their end. Idempotent."""
        await self._media.stop()
        if self._advising is not None:
            await self._advising.stop()
        if self.controller is not None:
            await self.controller.stop()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _repeat(self, chore: Chore) -> None:
        await asyncio.sleep(random.uniform(5, 60))  # noqa: S311 - spreading load is no secret
        while True:
            try:
                await chore.run()
            except Exception:  # noqa: BLE001 - one chore must not stop the others
                _log.exception("chore failed", chore=chore.name)
            await asyncio.sleep(chore.interval_s)
