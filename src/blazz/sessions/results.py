"""Collects outcomes of sends and stores whatever has gathered in one unit of work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from blazz.cluster import ownership
from blazz.kit.db import Database, Tx, Workspaces
from blazz.messaging import outbox as messaging
from blazz.messaging.outbox import OutboxItem, SendResult
from blazz.sessions.registry import Registry

_log = structlog.get_logger(__name__)
_GROUP = 256
_RETRY_S = 0.5


class _Entry(NamedTuple):
    item: OutboxItem
    epoch: int
    result: SendResult
    stored: asyncio.Future[None]


class Results:
    """The one writer of outcomes. An outcome is kept until it is stored: forgetting it would send again."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry
        self._waiting: list[_Entry] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to store."""
        self._task = asyncio.create_task(self._run(), name="outbox-results")

    async def stop(self) -> None:
        """Store what waits, once, and end."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        if self._waiting:
            try:
                await self._store(self._waiting)
            except Exception as error:  # noqa: BLE001 - said in the log, and made good after the restart
                # the rows stay `sending`: after the restart the same ids are sent again
                _log.warning("outcomes not stored", count=len(self._waiting), error=str(error))

    def put(self, item: OutboxItem, result: SendResult) -> asyncio.Future[None]:
        """Queue an outcome; the future ends when it is stored."""
        session = self._registry.get(item.account_id)
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(item, session.epoch if session else 0, result, stored))
        self._wake.set()
        return stored

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group = self._waiting[:_GROUP]
                try:
                    await asyncio.shield(self._store(group))
                except Exception as error:  # noqa: BLE001 - an outcome is kept until it is stored
                    _log.warning("outcomes not stored, trying again", count=len(group), error=str(error))
                    await asyncio.sleep(_RETRY_S)
                    continue
                del self._waiting[: len(group)]
                for entry in group:
                    if not entry.stored.done():
                        entry.stored.set_result(None)

    async def _store(self, group: Sequence[_Entry]) -> None:
        def unit(tx: Tx) -> None:
            stale = ownership.check(tx, ((entry.item.account_id, entry.epoch) for entry in group))
            messaging.record_results(tx, [entry.result for entry in group if entry.item.account_id not in stale])

        await self._database.write(Workspaces.of(entry.item.workspace_id for entry in group), unit)
