"""Judging instances by observation: how long a counter stands still on the watcher's own clock.

No wall clock and no other machine's clock takes part. A watcher that could not look for a while does not know what
happened meanwhile, and starts over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_LIVING = ("healthy", "draining")


@dataclass(frozen=True, slots=True)
class Counter:
    """What is watched of an instance: it lives as long as (generation, renewals) changes."""

    id: str
    generation: int
    renewals: int
    state: str


@dataclass(frozen=True, slots=True)
class Silent:
    """An instance whose counter stands still. `silent_ns` is for how long it has been seen to."""

    counter: Counter
    silent_ns: int


@dataclass(slots=True)
class _Seen:
    counter: Counter
    since_ns: int


class Watcher:
    """Feed it what was read and when; ask it who is silent.

    `gap_ns`: looks that lie further apart than this prove nothing, so counting starts over.
    """

    def __init__(self, gap_ns: int) -> None:
        self._gap_ns = gap_ns
        self._seen: dict[str, _Seen] = {}
        self._looked_ns: int | None = None

    def forget(self) -> None:
        """Start over: the database could not be read."""
        self._seen.clear()
        self._looked_ns = None

    def look(self, counters: Iterable[Counter], asked_ns: int, answered_ns: int) -> None:
        """Take a look at all counters. `asked_ns` is before the read was sent, `answered_ns` after its answer.

        A standing counter is silent from the answer of the first look that showed it until the question of the last
        one, which is never longer than it really stood.
        """
        if self._looked_ns is not None and answered_ns - self._looked_ns > self._gap_ns:
            self._seen.clear()
        self._looked_ns = answered_ns
        present: dict[str, _Seen] = {}
        for counter in counters:
            if counter.state not in _LIVING:
                continue
            known = self._seen.get(counter.id)
            same = known is not None and (known.counter.generation, known.counter.renewals) == (
                counter.generation,
                counter.renewals,
            )
            present[counter.id] = known if known is not None and same else _Seen(counter, answered_ns)
        self._seen = present
        self._asked_ns = asked_ns

    def silent(self, for_ns: int) -> list[Silent]:
        """Return the instances whose counter has stood for at least `for_ns`, as of the last look."""
        if self._looked_ns is None:
            return []
        found = (Silent(seen.counter, self._asked_ns - seen.since_ns) for seen in self._seen.values())
        return [item for item in found if item.silent_ns >= for_ns]

    @property
    def watched(self) -> int:
        """How many living instances were seen at the last look."""
        return len(self._seen)
