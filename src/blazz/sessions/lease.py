"""The lease of this instance: renewals in the database, and the dead-man deadline that follows from them.

The deadline is counted from before a renewal was sent that then succeeded. Python obeys it, and the engine host by
itself: when a watcher may believe this instance dead, both have already gone silent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from blazz.cluster import service as cluster
from blazz.engine_client import EngineClient, EngineError
from blazz.kit import metrics
from blazz.kit.db import Database, Platform
from blazz.kit.errors import BlazzError, unavailable
from blazz.kit.settings import Settings
from blazz.kit.time import boottime_ns

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)
_SCOPE = Platform("an instance renews its lease", urgent=True)
_LAPSES = metrics.counter("lease_lapses", "Times that this instance's lease ran out before it was renewed.")


@dataclass(frozen=True, slots=True)
class LeaseHooks:
    """What follows from a renewal. `fenced`: another process has our name. `changed`: our sessions or state have.

    `engine_silent`: the engine host has not answered for a whole lease. It does not work, whatever it is doing.
    """

    fenced: Callable[[], None]
    changed: Callable[[str], None]
    figures: Callable[[], cluster.Figures]
    engine_silent: Callable[[], None]


class Lease:
    """Renews until cancelled."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        registration: cluster.Registration,
        engine: Callable[[], EngineClient | None],
        hooks: LeaseHooks,
    ) -> None:
        self._database = database
        self._lease_ns = int(settings.lease_s * 1e9)
        self._every_s = settings.renew_s
        self._registration = registration
        self._engine = engine
        self._hooks = hooks
        self._deadline_ns = 0
        self._revision = -1
        self._became_valid = asyncio.Event()
        self._renewed = asyncio.Event()
        self._unanswered: tuple[EngineClient, int] | None = None

    @property
    def valid(self) -> bool:
        """Whether the lease has not run out. Without it nothing may be sent."""
        return boottime_ns() < self._deadline_ns

    async def until_valid(self) -> None:
        """Wait for a lease that has not run out."""
        while not self.valid:
            self._became_valid.clear()
            await self._became_valid.wait()

    async def renew(self) -> None:
        """Renew once. The engine host is told by `run`, so that a slow one delays no renewal.

        Raises BlazzError when the database refuses or does not answer in time, `fenced` when the name is lost.
        """
        before = boottime_ns()
        renewal = await self._in_time(cluster.renew, self._registration, self._hooks.figures())
        if renewal.outcome == "dead":
            before = boottime_ns()
            _log.warning("watchers gave this instance up; it comes back", instance=self._registration.instance_id)
            if not await self._in_time(cluster.rejoin, self._registration):
                self._lost_name()
        elif renewal.outcome == "fenced":
            self._lost_name()
        if self._deadline_ns and not self.valid:
            _LAPSES.inc()
        self._deadline_ns = before + self._lease_ns
        self._became_valid.set()
        self._renewed.set()
        if renewal.outcome == "dead" or renewal.revision != self._revision:
            self._revision = renewal.revision
            self._hooks.changed(renewal.state)

    async def tell_engine(self) -> None:
        """Send the present deadline to the engine host; one that has passed is never told."""
        engine = self._engine()
        if engine is None or not self.valid:
            return
        asked = boottime_ns()
        try:
            await engine.heartbeat(self._deadline_ns)
        except EngineError as error:
            _log.warning("heartbeat not answered", error=str(error))
            if self._unanswered is None or self._unanswered[0] is not engine:
                self._unanswered = engine, asked
            elif boottime_ns() - self._unanswered[1] > self._lease_ns:
                self._unanswered = None
                self._hooks.engine_silent()
        else:
            self._unanswered = None

    async def run(self) -> None:
        """Renew regularly and tell the engine host, until cancelled or fenced."""
        telling = asyncio.create_task(self._tell(), name="heartbeats")
        try:
            await self._renew_regularly()
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _tell(self) -> None:
        while True:
            await self._renewed.wait()
            self._renewed.clear()
            await self.tell_engine()

    async def _renew_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.renew()
            except BlazzError as error:
                if error.code == "fenced":
                    return
                _log.warning("lease not renewed", error=str(error))

    async def _in_time(self, work: Callable[..., _T], *args: object) -> _T:
        """Run one unit within half a lease: a later answer could not be used any more."""
        try:
            async with asyncio.timeout(self._lease_ns / 2e9):
                return await self._database.write(_SCOPE, work, *args)
        except TimeoutError:
            raise unavailable("database_unavailable", "The database does not answer in time.") from None

    def _lost_name(self) -> None:
        _log.critical(
            "another process runs under this instance's name; stopping all sessions",
            instance=self._registration.instance_id,
            generation=self._registration.generation,
        )
        self._deadline_ns = 0
        self._hooks.fenced()
        raise BlazzError("fenced", "Another process runs under this instance's name.", 503)
