"""Calls that touch storage which may hang: in a thread that nothing waits for longer than it wants to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from blazz.kit.errors import BlazzError

T = TypeVar("T")


class PatientThread:
    """Runs one call at a time. A call that does not return keeps its thread; further calls are refused until it does.

    The thread is a daemon: the process can end although the storage never answers.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy = False

    async def run(self, call: Callable[[], T], *, timeout_s: float) -> T:
        """Return the call's result. Raises BlazzError `storage_hangs` after `timeout_s`, or what `call` raises."""
        if self._busy:
            raise _hangs()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._busy = True

        def settle(answer: Callable[[], None]) -> None:
            self._busy = False
            if not done.done():
                answer()

        def work() -> None:
            answer: Callable[[], None]
            try:
                answer = partial(done.set_result, call())
            except Exception as failure:  # noqa: BLE001 - given to the one who waits
                answer = partial(done.set_exception, failure)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, answer)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        try:
            async with asyncio.timeout(timeout_s):
                return await done
        except TimeoutError:
            raise _hangs() from None


def _hangs() -> BlazzError:
    return BlazzError("storage_hangs", "The storage of the session stores does not answer.", 503)
