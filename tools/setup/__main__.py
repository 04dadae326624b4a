"""`python -m tools.setup [demo]`: everything up to date, or one clear message why not."""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
import time
from collections.abc import Sequence
from typing import IO

from tools.setup import paths, system
from tools.setup.commands import CommandLog
from tools.setup.errors import SetupError
from tools.setup.platforms import Machine, unsupported_reason
from tools.setup.schedule import Schedule
from tools.setup.steps import Plan
from tools.setup.toolchains import find_go, find_node


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the set-up; returns 0 when everything is there, 1 with a message when not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tools.setup", description="Builds what Blazz needs to run.")
    parser.add_argument(
        "level",
        nargs="?",
        choices=("demo", "development"),
        default="development",
        help="demo: what running Blazz needs; development: also what tests and checks need",
    )
    level: str = parser.parse_args(arguments).level
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _set_up(development=level == "development")
    except SetupError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("Stopped.", code=130)


def _set_up(*, development: bool) -> int:
    started = time.monotonic()
    machine = Machine.current()
    reason = unsupported_reason(machine)
    if reason is not None:
        raise SetupError(reason)
    paths.BUILD.mkdir(exist_ok=True)
    with paths.LOCK.open("w") as lock:
        _wait_for(lock)
        log = CommandLog(paths.LOG)
        plan = Plan(development=development, go=find_go(), node=find_node(), log=log)
        announced = False

        def report(line: str) -> None:
            nonlocal announced
            if not announced:
                announced = True
                python = ".".join(str(part) for part in sys.version_info[:3])
                _say(f"Setting up Blazz on {machine}: Python {python}, {plan.go}, {plan.node}. Log: build/setup.log")
            _say(line)

        outcome = Schedule(plan.steps(), paths.STAMPS, report).run(on_abort=log.stop)
    if outcome.failed:
        parts = "\n\n".join(f"{title}: {message}" for title, message in outcome.failed.items())
        return _fail(f"\n{parts}\nThe whole output is in build/setup.log.")
    if outcome.missing:
        parts = "\n".join(f"  - {part}" for part in sorted(set(outcome.missing.values())))
        return _fail(f"Everything else is built, but parts of the repository are missing:\n{parts}")
    if development and system.find_browser() is None:
        _say(system.browser_hint())
    if development and not system.has_mariadb():
        _say(system.mariadb_hint())
    seconds = time.monotonic() - started
    _say(f"Set-up done in {seconds:.1f} s." if outcome.ran else f"Set-up is up to date ({seconds:.1f} s).")
    return 0


def _wait_for(lock: IO[str]) -> None:
    """Two set-ups in one tree would build over each other: the second waits for the first, then finds all done."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("Another set-up runs in this directory; waiting for it.")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


def _fail(message: str, code: int = 1) -> int:
    print(f"\nSet-up failed. {message}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
