"""`restart`: seconds from kill -9 of everything to the last session connected."""

from __future__ import annotations

import argparse
import signal
import time
from typing import Any

from benchmarks.figures import machine, median
from benchmarks.stand import poll, stand


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Kill the product with all its processes, start it again, count logins at the network."""
    sessions = options.sessions or 500
    seconds: list[float] = []
    ready: list[float] = []
    async with stand() as built:
        await built.link_many(sessions)
        for _ in range(options.repetitions):
            ended = await built.restart_product(signal.SIGKILL)
            ready.append(time.monotonic() - ended)

            async def all_online() -> bool:
                return bool((await built.phones.json("GET", "/stats"))["online"] >= sessions)

            await poll(all_online, 300, 0.05)
            seconds.append(time.monotonic() - ended)
    return {
        "sessions": sessions,
        "seconds": round(median(seconds), 2),
        "api_ready_seconds": round(median(ready), 2),
        "at_real_pace_seconds": round(median(ready) + sessions / 10.0, 1),
        "at_real_pace_note": "computed: API ready plus the sessions at the real network's default pace, 10 logins/s",
        "machine": machine(),
    }
