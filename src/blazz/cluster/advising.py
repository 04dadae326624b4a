"""Feeds the advisor with what the controller sees, and leaves the leader's advice where every gateway finds it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import structlog

from blazz.cluster import moves, signals
from blazz.cluster.advice import Advice, Advisor, Alert, InstanceSample, Sample, Signals
from blazz.cluster.assignment import instance_loads
from blazz.cluster.controller import Controller, View
from blazz.cluster.failover import is_gone
from blazz.cluster.membership import Instance
from blazz.cluster.platform_log import append
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

_log = structlog.get_logger(__name__)
_SCOPE = Platform("the leader leaves its advice for operators")
FACT = "advice"
SAMPLE_S = 10.0  # the conditions hold for minutes: closer samples would tell nothing more
NOT_YET = Advice("hold", 0, 0, ("not enough data",))
_WRITE_S = 5.0


class Advising:
    """Observes a controller from `start` to `stop`."""

    def __init__(self, controller: Controller, database: Database, settings: Settings) -> None:
        self._controller = controller
        self._database = database
        least = min(settings.scale_min_instances, settings.scale_max_instances)
        self._make: Callable[[], Advisor] = lambda: Advisor(least=least, most=settings.scale_max_instances)
        self._advisor = self._make()
        self._sampled_s: float | None = None
        self._latest: Advice | None = None
        self._said: Advice | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sample and to write."""
        self._controller.observers.append(self.observe)
        self._task = asyncio.create_task(self._run(), name="cluster-advice")

    async def stop(self) -> None:
        """End. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        self._controller.observers.remove(self.observe)
        signals.publish(None)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def observe(self, view: View, at_ns: int) -> None:
        """Take a look of the controller; one in ten seconds becomes a sample. A new leader starts over."""
        if not self._controller.leading:
            if self._sampled_s is not None:
                self._advisor, self._sampled_s, self._latest, self._said = self._make(), None, None, None
                signals.publish(None)
            return
        at_s = at_ns / 1e9
        if self._sampled_s is not None and at_s - self._sampled_s < SAMPLE_S:
            return
        self._sampled_s = at_s
        self._latest = self._advisor.feed(sample(view.instances, at_s))
        signals.publish(self._latest)
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            latest = self._latest
            if latest is None:
                continue
            changed = self._said is not None and self._said.action != latest.action
            try:
                async with asyncio.timeout(_WRITE_S):
                    await self._database.write(_SCOPE, _say, latest, changed)
            except (BlazzError, TimeoutError) as error:
                _log.warning("advice not stored", error=str(error))
            else:
                self._said = latest


def sample(instances: Iterable[Instance], at_s: float) -> Sample:
    """Return the usable instances as the advisor takes them; sessions of all others have to be carried too."""
    known = list(instances)
    loads = {load.id: load for load in instance_loads(known)}
    usable = [item for item in known if loads[item.id].usable]
    homeless = sum(item.sessions for item in known if not loads[item.id].usable)
    return Sample(
        at_s,
        tuple(
            InstanceSample(item.id, item.sessions, loads[item.id].places, cpu_share(item), memory_share(item))
            for item in usable
        ),
        homeless,
    )


def cpu_share(instance: Instance) -> float | None:
    """Return which share of its machine's cores an instance uses; None when it has not said how many there are."""
    cores = _machine(instance).get("cores")
    return min(1.0, instance.cpu_percent / 100 / cores) if cores else None


def memory_share(instance: Instance) -> float | None:
    """Return which share of its machine's memory an instance uses; None when it has not said how much there is."""
    total = _machine(instance).get("memory_bytes")
    return min(1.0, instance.memory_bytes / total) if total else None


def stored(tx: Tx) -> tuple[Advice, moves.Fact | None]:
    """Return the leader's last advice, and `NOT_YET` before there is any."""
    fact = moves.fact(tx, FACT)
    return (NOT_YET, None) if fact is None else (_advice(fact.data), fact)


def _machine(instance: Instance) -> dict[str, Any]:
    known = (instance.storage or {}).get("machine") if not is_gone(instance) else None
    return known if isinstance(known, dict) else {}


def _say(tx: Tx, advice: Advice, changed: bool) -> None:
    moves.set_fact(tx, FACT, asdict(advice))
    if changed:
        data = {"action": advice.action, "current": advice.current, "target": advice.target}
        append(tx, "cluster.advice", {**data, "reasons": list(advice.reasons)})


def _advice(data: dict[str, Any]) -> Advice:
    return Advice(
        data["action"],
        data["current"],
        data["target"],
        tuple(data["reasons"]),
        tuple(Alert(**alert) for alert in data["alerts"]),
        Signals(**data["signals"]),
    )
