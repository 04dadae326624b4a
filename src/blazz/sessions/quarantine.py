"""Which sessions the engine host died over; one that is implicated twice in ten minutes is kept apart."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

_WINDOW_S = 600.0
_TIMES = 2


class Quarantine:
    """Counts by session id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def implicated(self, session_ids: Iterable[str]) -> set[str]:
        """Take the sessions that a dead engine host worked for when it failed; return those to keep apart now."""
        now = self._clock()
        apart: set[str] = set()
        for session_id in set(session_ids):
            times = self._times[session_id]
            times.append(now)
            while now - times[0] > _WINDOW_S:
                times.popleft()
            if len(times) >= _TIMES:
                apart.add(session_id)
                del self._times[session_id]
        return apart
