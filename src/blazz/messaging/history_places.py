"""Where messages of history stand among those that have events of their own."""

from __future__ import annotations

import datetime as dt
import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable


class Places:
    """The messages of a chat that have events of their own: moments in order, and the highest position until each."""

    def __init__(self, found: Iterable[tuple[dt.datetime, int]]) -> None:
        self._moments: list[dt.datetime] = []
        self._positions: list[int] = []
        highest = 0
        for moment, position in sorted(found):
            highest = max(highest, position)
            self._moments.append(moment.replace(microsecond=0))  # phones tell whole seconds
            self._positions.append(highest)

    def behind(self, moment: dt.datetime) -> int:
        """Return the position behind which a message of this moment stands; 0 in front of all."""
        at = bisect_right(self._moments, moment)
        return self._positions[at - 1] if at else 0


def places_by_chat(found: Iterable[tuple[uuid.UUID, dt.datetime, int]]) -> dict[uuid.UUID, Places]:
    """Return the places of each chat, of (chat, moment, position)."""
    by_chat: dict[uuid.UUID, list[tuple[dt.datetime, int]]] = defaultdict(list)
    for chat_id, moment, position in found:
        by_chat[chat_id].append((moment, position))
    return {chat_id: Places(ones) for chat_id, ones in by_chat.items()}
