"""Time: aware UTC datetimes for rows, the boot-time clock for deadlines, the wall clock of signed calls.

`BLAZZ_TEST_CLOCK_OFFSET_S` shifts `wall_clock_ms` by seconds, in test mode only: a number, or `@FILE` with a number
that is read at every call, so that a test can move the clock of a running process.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

UTC = dt.UTC


def utc_now() -> dt.datetime:
    """Return the current time as an aware UTC datetime with microseconds."""
    return dt.datetime.now(UTC)


def from_unix_ms(value: int) -> dt.datetime:
    """Return the aware UTC datetime of `value` milliseconds since 1970."""
    return dt.datetime.fromtimestamp(value / 1000, UTC)


def to_unix_ms(value: dt.datetime) -> int:
    """Return a moment as milliseconds since 1970."""
    return int(value.timestamp() * 1000)


def boottime_ns() -> int:
    """Return nanoseconds on the clock that also counts suspension (CLOCK_BOOTTIME; monotonic where it is missing)."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


def clock_offset(text: str, *, test_mode: bool) -> Callable[[], float]:
    """Return what tells the offset in seconds that `text` asks for. Raises ValueError outside test mode."""
    if not text:
        return lambda: 0.0
    if not test_mode:
        raise ValueError("a shifted clock is refused outside test mode (BLAZZ_TEST_MODE=1)")
    if text.startswith("@"):
        file = Path(text[1:])
        return lambda: float(file.read_text() or 0)
    fixed = float(text)
    return lambda: fixed


_offset_s = clock_offset(
    os.environ.get("BLAZZ_TEST_CLOCK_OFFSET_S", ""),
    test_mode=os.environ.get("BLAZZ_TEST_MODE") == "1",
)


def wall_clock_ms() -> int:
    """Return milliseconds since 1970 on the wall clock. For the window of signed calls alone: it may jump."""
    return time.time_ns() // 1_000_000 + int(_offset_s() * 1000)


def rfc3339(value: dt.datetime) -> str:
    """Return `value` in UTC as RFC 3339 text with a final `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
