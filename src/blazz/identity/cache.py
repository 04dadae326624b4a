"""A short memory of who is asking, so that a busy key costs no database read per request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from blazz.events.wakeups import Topic, Wakeups
from blazz.kit.db import Tx

V = TypeVar("V")

CACHE_S = 5.0  # how long another process may still honour a revoked key when no hint reaches it
_TOPIC = "identity"
_MAX_ENTRIES = 10_000


class AuthCache(Generic[V]):
    """Values by digest for 5 s. Belongs to the event loop's thread, except `clear_after_commit`."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: dict[str, tuple[float, V]] = {}
        self._clock = clock
        self.generation = 0
        """Rises when something was revoked: a look-up that began before must not be remembered."""

    def get(self, digest: str) -> V | None:
        """Return a fresh value or None."""
        entry = self._entries.get(digest)
        if entry is None or entry[0] < self._clock():
            return None
        return entry[1]

    def put(self, digest: str, value: V, generation: int) -> None:
        """Remember `value`, read when `generation` was current."""
        if generation != self.generation:
            return
        if len(self._entries) >= _MAX_ENTRIES:
            self._entries.clear()
        self._entries[digest] = (self._clock() + CACHE_S, value)

    def clear(self) -> None:
        """Forget everything."""
        self.generation += 1
        self._entries.clear()


_caches: list[AuthCache[object]] = []


def shared_cache(kind: type[V]) -> AuthCache[V]:
    """Return a new cache that `forget_after_commit` clears. One per kind of value, made at import."""
    del kind
    made: AuthCache[V] = AuthCache()
    _caches.append(made)  # type: ignore[arg-type]
    return made


def forget_after_commit(tx: Tx) -> None:
    """Forget who was known, here and in other processes, once this unit is durable: a right was taken or changed."""
    tx.after_commit(forget)
    Wakeups.shared().notify_after_commit(tx, _TOPIC)


def forget() -> None:
    """Forget who was known, now."""
    for cache in _caches:
        cache.clear()


def follow_others() -> Callable[[], None]:
    """Forget whenever another process says so; returns the function that ends it."""

    def heard(topic: Topic) -> None:
        if topic == _TOPIC:
            forget()

    return Wakeups.shared().observe(heard)
