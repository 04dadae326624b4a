"""What an instance says of itself to whoever asks its internal port: load balancers, operators, monitoring."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Literal

import psutil
from pydantic import Field

from blazz import __version__
from blazz.kit.http import Model
from blazz.kit.signing import Receiver
from blazz.kit.time import boottime_ns


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """What only the instance itself knows. `sessions` are those that it runs or means to run."""

    sessions: int
    capacity: int
    draining: bool
    lease_valid: bool
    engine_pid: int | None
    """None while the engine host is being restarted."""
    storage: Literal["ok", "warn", "fail"] = "ok"
    """How the storage of the session stores was at the last look."""


class SessionLoad(Model):
    """How full the instance is."""

    total: int
    capacity: int
    utilization: float = Field(description="Share of the capacity, 0 to 1.")


class Memory(Model):
    """Resident memory in bytes; `percent` of the machine's memory that is in use, by everybody."""

    rss: int = Field(description="Of the supervisor and the engine host.")
    percent: float


class HealthReport(Model):
    """The health of an instance."""

    status: Literal["healthy", "at_capacity", "draining"]
    instance: str
    sessions: SessionLoad
    memory: Memory
    uptime: float = Field(description="Seconds since this start.")
    version: str
    generation: int
    engine: Literal["up", "down"]
    lease_valid: bool
    storage: Literal["ok", "warn", "fail"] = Field(
        "ok", description="The storage of the session stores at the last look; `fail`: it does not work or answer."
    )
    clock_skew_s: float | None = Field(
        None, description="How far ahead of ours the clock of the last caller was whose call was refused for that."
    )

    @property
    def ok(self) -> bool:
        """Whether sessions can be served: the lease holds and the engine host runs."""
        return self.lease_valid and self.engine == "up"


class HealthReporter:
    """Makes reports of one start of an instance."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._began_ns = boottime_ns()

    def report(self, facts: HealthFacts, clock_skew_s: float | None) -> HealthReport:
        """Return the report; reads the memory of both processes (some 50 µs)."""
        status: Literal["healthy", "at_capacity", "draining"] = "healthy"
        if facts.draining:
            status = "draining"
        elif facts.sessions >= facts.capacity:
            status = "at_capacity"
        return HealthReport(
            status=status,
            instance=self._receiver.id,
            sessions=SessionLoad(
                total=facts.sessions,
                capacity=facts.capacity,
                utilization=round(facts.sessions / facts.capacity, 4),
            ),
            memory=Memory(
                rss=_resident(os.getpid()) + _resident(facts.engine_pid), percent=psutil.virtual_memory().percent
            ),
            uptime=round((boottime_ns() - self._began_ns) / 1e9, 1),
            version=__version__,
            generation=self._receiver.generation,
            engine="down" if facts.engine_pid is None else "up",
            lease_valid=facts.lease_valid,
            storage=facts.storage,
            clock_skew_s=None if clock_skew_s is None else round(clock_skew_s, 1),
        )


def _resident(pid: int | None) -> int:
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
    return 0
