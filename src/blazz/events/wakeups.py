"""Wake-ups: a hint, after a commit, that a topic has news. Never the truth: a reader that misses one polls.

Topics are workspace ids (event log) or names such as `outbox`. Inside a process this object is enough; a bridge
(`blazz.realtime.valkey`) carries the hints between processes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable

from blazz.kit.db import Tx

Topic = uuid.UUID | str


class Wakeups:
    """Listeners by topic. All methods but `notify_after_commit` belong to the event loop's thread."""

    _shared: Wakeups | None = None

    def __init__(self) -> None:
        self._listeners: dict[Topic, set[asyncio.Event]] = defaultdict(set)
        self._taps: list[Callable[[Topic], None]] = []
        self._observers: list[Callable[[Topic], None]] = []

    @classmethod
    def shared(cls) -> Wakeups:
        """Return the process-wide instance."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def subscribe(self, topic: Topic) -> asyncio.Event:
        """Return an event that is set whenever `topic` has news. Give it back with `unsubscribe`."""
        event = asyncio.Event()
        self._listeners[topic].add(event)
        return event

    def unsubscribe(self, topic: Topic, event: asyncio.Event) -> None:
        """Forget a listener."""
        listeners = self._listeners.get(topic)
        if listeners is not None:
            listeners.discard(event)
            if not listeners:
                del self._listeners[topic]

    def tap(self, forward: Callable[[Topic], None]) -> Callable[[], None]:
        """Call `forward` for each topic notified by this process; returns the function that ends it."""
        self._taps.append(forward)
        return lambda: self._taps.remove(forward)

    def observe(self, observer: Callable[[Topic], None]) -> Callable[[], None]:
        """Call `observer` for each topic, wherever its news comes from; returns the function that ends it.

        For one listener of very many topics (an instance's outbox). It must not block.
        """
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def notify(self, topic: Topic, *, forward: bool = True) -> None:
        """Wake the listeners of `topic` now; `forward=False` for hints that came from another process."""
        for event in self._listeners.get(topic, ()):
            event.set()
        for observer in self._observers:
            observer(topic)
        if forward:
            for tap in self._taps:
                tap(topic)

    def notify_after_commit(self, tx: Tx, topic: Topic) -> None:
        """Wake the listeners of `topic` once the unit of work is durable."""
        tx.after_commit(lambda: self.notify(topic))
