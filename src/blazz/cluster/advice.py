"""Whether to run more or fewer instances: the autoscaling signals judged over time, with the numbers behind them.

The advisor decides nothing and starts nothing. It lives with the failover leader, which feeds it one sample per look;
a new leader begins with empty windows, so advice comes a window late at worst, and never from old numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from blazz.cluster.capacity import DEFAULT_CAPACITY, MAXIMUM_CAPACITY

Action = Literal["up", "down", "hold"]
Level = Literal["warning", "critical"]

# Product rules: above for so long means up, below for so long means down.
_SESSIONS_UP, _SESSIONS_UP_S = 0.80, 300.0
_CPU_UP, _CPU_UP_S = 0.80, 600.0
_MEMORY_UP, _MEMORY_UP_S = 0.85, 300.0
_IDLE, _IDLE_S = 0.30, 1800.0
_SPARE = 0.20
_ALERTS: tuple[tuple[float, Level], ...] = ((0.85, "critical"), (0.70, "warning"))
_GAP_S = 90.0  # samples further apart than this prove nothing about the time between: windows start over


@dataclass(frozen=True, slots=True)
class InstanceSample:
    """One usable instance as it was seen: sessions, places, and the used shares (0 to 1) of its CPU and memory.

    None for a share that it has not reported.
    """

    instance_id: str
    sessions: int
    places: int
    cpu: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """All usable instances at a moment of a monotonic clock (seconds).

    `homeless` counts sessions that have to be carried and are on none of them: those of draining and dead instances.
    """

    at_s: float
    instances: tuple[InstanceSample, ...]
    homeless: int = 0


@dataclass(frozen=True, slots=True)
class Signals:
    """The figures of the last sample: totals, and averages of what the instances reported (0 to 1)."""

    instances: int = 0
    sessions: int = 0
    places: int = 0
    sessions_used: float = 0.0
    cpu: float | None = None
    memory: float | None = None
    spare_with_one_down: int = 0  # places left when the largest is down; negative when N-1 does not hold


@dataclass(frozen=True, slots=True)
class Alert:
    """A share (`sessions` or `memory`) of the cluster or of one instance that is above 70 % or 85 %."""

    level: Level
    subject: str
    signal: str
    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do now: from `current` instances to `target`, and why."""

    action: Action
    current: int
    target: int
    reasons: tuple[str, ...]
    alerts: tuple[Alert, ...] = ()
    signals: Signals = field(default_factory=Signals)


class Advisor:
    """Counts how long each condition has held and turns that into advice.

    `least` and `most` bound what it advises (4 and 12 are the product's defaults). Windows start over after a gap in
    the samples and whenever the number of instances changes: a new one needs time to take its share.
    """

    def __init__(self, *, least: int = 4, most: int = 12) -> None:
        if not 1 <= least <= most:
            raise ValueError("least must be at least 1 and not above most")
        self._least = least
        self._most = most
        self._since: dict[str, float] = {}
        self._last_s: float | None = None
        self._count: int | None = None

    def feed(self, sample: Sample) -> Advice:
        """Take a sample and return the advice that follows. A defect (ValueError) when time goes backwards."""
        if self._last_s is not None and sample.at_s < self._last_s:
            raise ValueError("samples come in the order of time")
        signals = _signals(sample)
        if (self._last_s is not None and sample.at_s - self._last_s > _GAP_S) or self._count != signals.instances:
            self._since.clear()
        self._last_s, self._count = sample.at_s, signals.instances
        held = self._held(sample.at_s, _conditions(signals))
        action, target, reasons = self._judge(signals, held, [instance.places for instance in sample.instances])
        return Advice(action, signals.instances, target, tuple(reasons), _alerts(sample, signals), signals)

    def _held(self, now_s: float, conditions: Mapping[str, bool]) -> dict[str, float]:
        """Return for how many seconds each condition that is true has been so."""
        for name, true in conditions.items():
            if true:
                self._since.setdefault(name, now_s)
            else:
                self._since.pop(name, None)
        return {name: now_s - since for name, since in self._since.items()}

    def _judge(self, seen: Signals, held: Mapping[str, float], places: list[int]) -> tuple[Action, int, list[str]]:
        current = seen.instances
        if current < self._least:
            reason = f"{current} usable instances are fewer than the least of {self._least}"
            return "up", max(self._least, min(self._most, _needed(seen))), [reason]
        up = _reasons_up(seen, held)
        if up and current >= self._most:
            return "hold", current, [*up, f"but {current} instances are the most (BLAZZ_SCALE_MAX_INSTANCES)"]
        if up:
            return "up", min(self._most, max(current + 1, _needed(seen))), up
        if held.get("idle", 0.0) < _IDLE_S or held.get("idle") is None:
            return "hold", current, [_steady(seen)]
        idle = f"sessions {_percent(seen.sessions_used)} and CPU {_percent(seen.cpu or 0.0)} below 30 % for 30 min"
        if current <= self._least:
            return "hold", current, [idle, f"but {current} instances are the least (BLAZZ_SCALE_MIN_INSTANCES)"]
        # Whichever instance goes: what is left without the two largest has to carry everything, with spare places.
        left = sorted(places)[:-1]
        if seen.sessions > sum(left[:-1]) or seen.sessions > sum(left) * (1 - _SPARE):
            return "hold", current, [idle, "but with one fewer the others could not carry the loss of another"]
        return "down", current - 1, [idle]


def _signals(sample: Sample) -> Signals:
    sessions = sum(instance.sessions for instance in sample.instances) + sample.homeless
    places = [instance.places for instance in sample.instances]
    total = sum(places)
    return Signals(
        instances=len(sample.instances),
        sessions=sessions,
        places=total,
        sessions_used=sessions / total if total else 0.0,
        cpu=_average(instance.cpu for instance in sample.instances),
        memory=_average(instance.memory for instance in sample.instances),
        spare_with_one_down=total - max(places, default=0) - sessions,
    )


def _conditions(seen: Signals) -> dict[str, bool]:
    return {
        "sessions": seen.sessions_used > _SESSIONS_UP,
        "cpu": seen.cpu is not None and seen.cpu > _CPU_UP,
        "memory": seen.memory is not None and seen.memory > _MEMORY_UP,
        "n_minus_one": seen.spare_with_one_down < 0,
        "idle": seen.sessions_used < _IDLE and seen.cpu is not None and seen.cpu < _IDLE,
    }


def _reasons_up(seen: Signals, held: Mapping[str, float]) -> list[str]:
    reasons = []
    if held.get("sessions", 0.0) >= _SESSIONS_UP_S:
        share = _percent(seen.sessions_used)
        reasons.append(f"sessions {share} ({seen.sessions} of {seen.places} places) above 80 % for 5 min")
    if held.get("cpu", 0.0) >= _CPU_UP_S:
        reasons.append(f"CPU {_percent(seen.cpu or 0.0)} above 80 % for 10 min")
    if held.get("memory", 0.0) >= _MEMORY_UP_S:
        reasons.append(f"memory {_percent(seen.memory or 0.0)} above 85 % for 5 min")
    if held.get("n_minus_one", 0.0) >= _SESSIONS_UP_S:
        missing = -seen.spare_with_one_down
        reasons.append(f"with the largest instance down {missing} sessions would find no place, for 5 min")
    return reasons


def _needed(seen: Signals) -> int:
    """Return how many instances of the present average size carry everything with 20 % spare and one down."""
    size = seen.places / seen.instances if seen.places else DEFAULT_CAPACITY
    size = min(size, MAXIMUM_CAPACITY)
    return max(math.ceil(seen.sessions / (size * (1 - _SPARE))), math.ceil(seen.sessions / size) + 1)


def _alerts(sample: Sample, seen: Signals) -> tuple[Alert, ...]:
    shares = [("cluster", "sessions", seen.sessions_used)]
    for instance in sample.instances:
        shares.append(
            (instance.instance_id, "sessions", instance.sessions / instance.places if instance.places else 1.0)
        )
        if instance.memory is not None:
            shares.append((instance.instance_id, "memory", instance.memory))
    found = []
    for subject, signal, value in shares:
        for threshold, level in _ALERTS:
            if value > threshold:
                found.append(Alert(level, subject, signal, round(value, 4), threshold))
                break
    return tuple(found)


def _average(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _steady(seen: Signals) -> str:
    shares = [f"sessions {_percent(seen.sessions_used)}"]
    shares += [
        f"{name} {_percent(value)}" for name, value in (("CPU", seen.cpu), ("memory", seen.memory)) if value is not None
    ]
    return f"nothing has been too high or too low for long enough: {', '.join(shares)}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
