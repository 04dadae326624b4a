"""The proof that the previous engine host is gone: a file lock that each engine host inherits and holds while it lives.

The parent takes the lock, hands the open file to the child and closes its own copy. Whoever takes the lock next knows
that no engine host of this data directory is left, whatever happened to its parent, and without looking at pids.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

from blazz.kit.errors import BlazzError

_POLL_S = 0.05


async def take_engine_lock(path: Path, *, timeout_s: float) -> int:
    """Return an open descriptor that holds the lock; the caller closes it.

    An engine host without heartbeats ends at its deadline, so `timeout_s` is a lease and a margin.
    Raises BlazzError `previous_engine_alive` after that time.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout_s
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BlazzError(
                        "previous_engine_alive",
                        f"An engine host of this data directory is still running (it holds {path}). "
                        "Stop the other Blazz first.",
                        503,
                    ) from None
                await asyncio.sleep(_POLL_S)
            else:
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise
