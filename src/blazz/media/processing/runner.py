"""The parent's side: one child process for each order, killed at its time limit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable

import structlog

from blazz.kit.errors import BlazzError
from blazz.media.processing.orders import TIME_LIMIT_S, Made, Order, Unusable

_log = structlog.get_logger(__name__)
_LINE_BYTES = 256 * 1024
_CHILD = ("-I", "-m", "blazz.media.processing.child")
# A service manager that stops everything, or a machine short of memory: says nothing about the file.
_ENDED_BY_OTHERS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL})
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


async def run(order: Order, on_progress: Callable[[int], None] = lambda _: None) -> Made:
    """Have an order done; `on_progress` gets per cent. What is left of a failed one in `target` is removed.

    Raises Unusable for good, with a sentence for people, or BlazzError `media_processing_failed` (503): try again.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *_CHILD,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LINE_BYTES,
        start_new_session=True,  # a terminal's Ctrl-C is for the parent, which ends the child
        env={**environment, "MALLOC_ARENA_MAX": "2"},
    )
    done = False
    try:
        async with asyncio.timeout(TIME_LIMIT_S[order.task]):
            made = await _talk(child, order, on_progress)
        done = True
        return made
    except TimeoutError:
        raise Unusable("The file takes too long to be processed.") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        if not done:
            await asyncio.to_thread(order.target.unlink, missing_ok=True)


async def _talk(child: asyncio.subprocess.Process, order: Order, on_progress: Callable[[int], None]) -> Made:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(order.to_json()).encode() + b"\n")
    with contextlib.suppress(ConnectionError):
        await child.stdin.drain()
    while line := await child.stdout.readline():
        said = json.loads(line)
        if "progress" in said:
            on_progress(int(said["progress"]))
        elif "made" in said:
            return Made.from_json(said["made"])
        elif "unusable" in said:
            raise Unusable(said["unusable"])
        else:
            raise BlazzError("media_processing_failed", f"The file could not be processed: {said.get('failed')}.", 503)
    # it ended without a word: by somebody who ends processes here, by its own bounds, or by what is in the file
    code = await child.wait()
    _log.warning("media child ended early", task=order.task, code=code)
    if -code in _ENDED_BY_OTHERS:
        raise BlazzError("media_processing_failed", "The processing of the file was ended from outside.", 503)
    raise Unusable("The file could not be processed: it is damaged, or needs too much.")
