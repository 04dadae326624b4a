"""Ephemeral events: typing, presence. Same envelope as the log's, no position, never stored, lost without regret."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EphemeralEvent:
    """Something that is true for a moment."""

    workspace_id: uuid.UUID
    name: str
    account_id: uuid.UUID | None
    data: dict[str, Any]


Listener = Callable[[EphemeralEvent], None]


class Ephemerals:
    """Fan-out inside the process, on the event loop's thread. A listener must not block."""

    _shared: Ephemerals | None = None

    def __init__(self) -> None:
        self._listeners: dict[uuid.UUID, set[Listener]] = defaultdict(set)
        self._taps: list[Listener] = []

    @classmethod
    def shared(cls) -> Ephemerals:
        """Return the process-wide instance."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def subscribe(self, workspace_id: uuid.UUID, listener: Listener) -> Callable[[], None]:
        """Call `listener` for each event of the workspace; returns the function that ends it."""
        self._listeners[workspace_id].add(listener)

        def end() -> None:
            listeners = self._listeners.get(workspace_id)
            if listeners is not None:
                listeners.discard(listener)
                if not listeners:
                    del self._listeners[workspace_id]

        return end

    def tap(self, forward: Listener) -> Callable[[], None]:
        """Call `forward` for each event published by this process; returns the function that ends it."""
        self._taps.append(forward)
        return lambda: self._taps.remove(forward)

    def publish(self, event: EphemeralEvent, *, forward: bool = True) -> None:
        """Hand `event` to everybody who listens now; `forward=False` for one that came from another process."""
        if forward:
            for tap in self._taps:
                tap(event)
        for listener in tuple(self._listeners.get(event.workspace_id, ())):
            listener(event)
