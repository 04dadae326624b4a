"""Throttling of guesses: per network address and per e-mail address, counted before any password is looked at."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.requests import HTTPConnection

from blazz.kit.errors import too_many

_log = structlog.get_logger(__name__)

# An office behind one address may sign in; a list of stolen passwords may not be tried.
_PER_ADDRESS = parse("60 per 5 minutes")
_PER_EMAIL = parse("10 per 15 minutes")
_ANSWER_S = 1.0  # a sign-in does not wait longer for Redis
_AWAY_S = 5.0  # how long Redis is left alone after it did not answer


@dataclass(slots=True)
class _Backend:
    storage: Storage
    limiter: MovingWindowRateLimiter


class Throttle:
    """Counts attempts in memory, or in Redis when a URL is given; an unreachable Redis falls back to memory."""

    def __init__(self, redis_url: str | None = None) -> None:
        self._redis_url = redis_url
        self._shared: _Backend | None = None
        self._local: _Backend | None = None
        self._away_until = 0.0

    async def attempt(self, connection: HTTPConnection, email: str | None = None) -> None:
        """Count an attempt to prove who one is. Raises BlazzError `too_many_attempts` (429) with `Retry-After`."""
        address = connection.client.host if connection.client else "unknown"
        await self._hit(_PER_ADDRESS, "address", address)
        if email is not None:
            await self._hit(_PER_EMAIL, "email", email.strip().lower()[:254])

    async def succeeded(self, email: str) -> None:
        """Forget the failed attempts of an address whose owner has just signed in."""
        for backend in (self._shared, self._local):
            if backend is not None:
                with contextlib.suppress(StorageError):
                    await backend.limiter.clear(_PER_EMAIL, "email", email.strip().lower()[:254])

    async def _hit(self, limit: RateLimitItem, *who: str) -> None:
        backend = self._backend()
        try:
            allowed = await backend.limiter.hit(limit, *who)
        except StorageError:
            _log.warning("throttle storage is away; counting in this process")
            self._away_until = time.monotonic() + _AWAY_S
            backend = self._backend()
            allowed = await backend.limiter.hit(limit, *who)
        if not allowed:
            reset, _ = await backend.limiter.get_window_stats(limit, *who)
            raise too_many(
                "Too many attempts. Wait a little, then try again.",
                retry_after_s=int(reset - time.time()) + 1,
                code="too_many_attempts",
            )

    def _backend(self) -> _Backend:
        if self._redis_url is not None and time.monotonic() >= self._away_until:
            if self._shared is None:
                scheme, _, rest = self._redis_url.partition("://")
                url = f"async+{'redis+unix' if scheme == 'unix' else scheme}://{rest}"
                storage = storage_from_string(
                    url,
                    implementation="redispy",
                    wrap_exceptions=True,
                    socket_connect_timeout=_ANSWER_S,
                    socket_timeout=_ANSWER_S,
                )
                assert isinstance(storage, Storage)
                self._shared = _Backend(storage, _moving_window(storage))
            return self._shared
        if self._local is None:
            memory = MemoryStorage()
            self._local = _Backend(memory, MovingWindowRateLimiter(memory))
        return self._local


def _moving_window(storage: Storage) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(storage)
