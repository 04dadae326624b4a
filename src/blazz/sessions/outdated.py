"""The alarm of this instance when WhatsApp refuses the client version: once for all its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from blazz.cluster import client_alarm
from blazz.kit import metrics
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
_SCOPE = Platform("an instance tells that its client version is refused")
_AGAIN_S = 2.0
_REFUSED = metrics.gauge("client_version_refused", "1 while WhatsApp refuses this instance's client version.")


class ClientAlarmDesk:
    """Tells the platform what the first refusal, and the first login after it, mean for all numbers."""

    def __init__(self, database: Database, instance_id: str) -> None:
        self._database = database
        self._instance_id = instance_id
        self._tasks = TaskSet()
        self._order = asyncio.Lock()
        self.raised = False

    async def stop(self) -> None:
        """Stop telling. Idempotent."""
        await self._tasks.stop()

    def refused(self, version: str) -> None:
        """Note a refusal; every further one until the next login changes nothing."""
        if not self.raised:
            self.raised = True
            _REFUSED.set(1)
            _log.error("WhatsApp refuses this client version; update Blazz", version=version)
            self._tasks.start(self._tell(lambda tx: client_alarm.refused(tx, self._instance_id, version)), "outdated")

    def accepted(self) -> None:
        """Note a login."""
        if self.raised:
            self.raised = False
            _REFUSED.set(0)
            _log.info("WhatsApp accepts the client version again")
            self._tasks.start(self._tell(lambda tx: client_alarm.accepted(tx, self._instance_id)), "accepted")

    async def _tell(self, unit: Callable[[Tx], None]) -> None:
        async with self._order:
            while True:
                try:
                    await self._database.write(_SCOPE, unit)
                except BlazzError as error:
                    _log.warning("alarm not stored, trying again", error=str(error))
                    await asyncio.sleep(_AGAIN_S)
                else:
                    return
