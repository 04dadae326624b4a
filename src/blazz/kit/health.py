"""What must work for this process to be ready; parts add themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from blazz.kit.errors import BlazzError

Check = Callable[[], Awaitable[str | None]]
_CHECK_S = 2.0


class HealthChecks:
    """Named checks; each returns None when all is well, else what is wrong."""

    _shared: HealthChecks | None = None

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    @classmethod
    def shared(cls) -> HealthChecks:
        """Return the process-wide instance."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def add(self, name: str, check: Check) -> Callable[[], None]:
        """Ask `check` whenever readiness is asked for; returns the function that ends it."""
        self._checks[name] = check
        return lambda: self._checks.pop(name, None) and None

    async def run(self) -> dict[str, str]:
        """Return each part with `ok` or what is wrong."""
        names = list(self._checks)
        return dict(zip(names, await asyncio.gather(*(_guarded(self._checks[name]) for name in names)), strict=True))


async def _guarded(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_S):
            return await check() or "ok"
    except TimeoutError:
        return "no answer"
    except BlazzError as error:
        return error.code
