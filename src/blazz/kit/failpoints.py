"""Failpoints: named places where a test can cut the program. They act only in test mode.

`BLAZZ_FAILPOINTS="ingest.stored=kill,outbox.claimed=error"` with `BLAZZ_TEST_MODE=1`. Actions: `kill` (SIGKILL to this
process), `panic` (an unexpected exception), `hang` (blocks the calling thread for an hour), `error` (an OSError).
`NAME=ACTION@N` acts when the place is reached for the Nth time and later, so that a start is left in peace.
Reaching an armed failpoint appends its name to the file `BLAZZ_FAILPOINT_LOG` first, so a test can assert it.
"""

from __future__ import annotations

import os
import signal
import time

ACTIONS = frozenset({"kill", "panic", "hang", "error"})


class FailpointPanic(Exception):
    """Raised by the action `panic`: stands for a defect that nobody foresaw."""


class FailpointError(OSError):
    """Raised by the action `error`: stands for a failing disk, socket or database."""


def parse(text: str, *, test_mode: bool) -> dict[str, str]:
    """Return failpoint names with their actions. Raises ValueError on a bad entry or outside test mode."""
    armed: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, separator, action = entry.partition("=")
        kind, at, number = action.partition("@")
        if not separator or kind not in ACTIONS or (at and not number.isdecimal()):
            raise ValueError(f"bad failpoint {entry!r}: expected NAME=" + "|".join(sorted(ACTIONS)))
        armed[name] = action
    if armed and not test_mode:
        raise ValueError("failpoints are refused outside test mode (BLAZZ_TEST_MODE=1)")
    return armed


_armed: dict[str, str] = parse(
    os.environ.get("BLAZZ_FAILPOINTS", ""),
    test_mode=os.environ.get("BLAZZ_TEST_MODE") == "1",
)


_reached: dict[str, int] = {}


def arm(name: str, action: str) -> None:
    """Arm one failpoint from a test that runs in this process."""
    _reached.pop(name, None)
    _armed.update(parse(f"{name}={action}", test_mode=os.environ.get("BLAZZ_TEST_MODE") == "1"))


def disarm(name: str) -> None:
    """Disarm one failpoint; unknown names are ignored."""
    _armed.pop(name, None)


def reach(name: str) -> None:
    """Mark the place `name`. Costs one dictionary look-up when nothing is armed."""
    if not _armed:
        return
    armed = _armed.get(name)
    if armed is None:
        return
    action, _, number = armed.partition("@")
    if number:
        _reached[name] = _reached.get(name, 0) + 1
        if _reached[name] < int(number):
            return
    log = os.environ.get("BLAZZ_FAILPOINT_LOG")
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "hang":
        time.sleep(3600)
    if action == "error":
        raise FailpointError(f"failpoint {name}")
    raise FailpointPanic(name)
