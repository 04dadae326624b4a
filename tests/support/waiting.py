"""Waiting for conditions with a deadline, never for luck."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]], *, within_s: float = 20.0, what: str = "", every_s: float = 0.02
) -> T: ...
@overload
async def eventually(
    condition: Callable[[], T], *, within_s: float = 20.0, what: str = "", every_s: float = 0.02
) -> T: ...
async def eventually(
    condition: Callable[[], Any], *, within_s: float = 20.0, what: str = "", every_s: float = 0.02
) -> Any:
    """Return the first true value of `condition`; fails after `within_s` seconds. It may be a coroutine function."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what or inspect.getsource(condition).strip()}")
        await asyncio.sleep(every_s)
