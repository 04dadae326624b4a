"""The lease of this instance: renewals in the database, and the dead-man deadline that follows from them.

The engine host gets its deadline counted from before a renewal was sent that then succeeded. So when a watcher may
believe this instance dead, its engine host has already gone silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from blazz.cluster import service as cluster
from blazz.engine_client import EngineClient, EngineError
from blazz.kit.db import Database, Platform
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import boottime_ns

_log = structlog.get_logger(__name__)
_SCOPE = Platform("an instance renews its lease")


class Lease:
    """Renews until cancelled. `fenced` is called once when another process runs under the same name."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        registration: cluster.Registration,
        engine: Callable[[], EngineClient | None],
        fenced: Callable[[], None],
    ) -> None:
        self._database = database
        self._lease_ns = int(settings.lease_s * 1e9)
        self._every_s = settings.renew_s
        self._registration = registration
        self._engine = engine
        self._fenced = fenced
        self._deadline_ns = 0

    @property
    def valid(self) -> bool:
        """Whether the lease has not run out."""
        return boottime_ns() < self._deadline_ns

    async def renew(self) -> None:
        """Renew once and tell the engine host, if there is one. Raises BlazzError when the database refuses."""
        before = boottime_ns()
        if not await self._database.write(_SCOPE, cluster.renew, self._registration):
            _log.critical(
                "another process runs under this instance's name; stopping all sessions",
                instance=self._registration.instance_id,
                generation=self._registration.generation,
            )
            self._fenced()
            raise BlazzError("fenced", "Another process runs under this instance's name.", 503)
        self._deadline_ns = before + self._lease_ns
        await self.tell_engine()

    async def tell_engine(self) -> None:
        """Send the present deadline to the engine host."""
        engine = self._engine()
        if engine is not None:
            try:
                await engine.heartbeat(self._deadline_ns)
            except EngineError as error:
                _log.warning("heartbeat not answered", error=str(error))

    async def run(self) -> None:
        """Renew regularly until cancelled or fenced."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.renew()
            except BlazzError as error:
                if error.code == "fenced":
                    return
                _log.warning("lease not renewed", error=str(error))
