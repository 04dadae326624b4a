"""Time: aware UTC datetimes for rows, the boot-time clock for deadlines."""

from __future__ import annotations

import datetime as dt
import sys
import time

UTC = dt.UTC


def utc_now() -> dt.datetime:
    """Return the current time as an aware UTC datetime with microseconds."""
    return dt.datetime.now(UTC)


def from_unix_ms(value: int) -> dt.datetime:
    """Return the aware UTC datetime of `value` milliseconds since 1970."""
    return dt.datetime.fromtimestamp(value / 1000, UTC)


def boottime_ns() -> int:
    """Return nanoseconds on the clock that also counts suspension (CLOCK_BOOTTIME; monotonic where it is missing)."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


def rfc3339(value: dt.datetime) -> str:
    """Return `value` in UTC as RFC 3339 text with a final `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
