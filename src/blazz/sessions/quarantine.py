"""Which sessions the engine host died over; one that is implicated twice in ten minutes is kept apart."""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

_WINDOW_S = 600.0
_TIMES = 2
_SESSION = re.compile(r"session[\"=: ]+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Quarantine:
    """Counts by session id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def implicated(self, said: Iterable[str]) -> set[str]:
        """Take the last lines of a dead engine host; return the sessions to keep apart now.

        A line implicates the session that it names (`session=<id>`). Lines that name none implicate nobody.
        """
        now = self._clock()
        apart: set[str] = set()
        for session_id in {match for line in said for match in _SESSION.findall(line)}:
            times = self._times[session_id]
            times.append(now)
            while now - times[0] > _WINDOW_S:
                times.popleft()
            if len(times) >= _TIMES:
                apart.add(session_id)
                del self._times[session_id]
        return apart
