"""`api`: latency of the chat list (10,000 chats) and of a message page at 100 requests a second, open loop."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from benchmarks.bare_route import bare_route
from benchmarks.figures import cpu_seconds, difference, machine, median, percentile
from benchmarks.http import LeanClient
from benchmarks.seed_chats import seed_chats
from benchmarks.stand import stand

_CHATS = 10_000
_RATE = 100.0
_SECONDS = 15.0


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Alternate chat list and message page; then the same bytes from a bare route, in the same run."""
    product: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    async with stand() as built:
        await seed_chats(built, _CHATS)
        chats = (await built.api.json("GET", "/chats?limit=50"))["data"]
        paths = ["/chats?limit=50", *(f"/chats/{chat['id']}/messages?limit=50" for chat in chats[:20])]
        bodies = [(await built.api.request("GET", path))[1] for path in paths]
        assert built.product.process is not None
        before = cpu_seconds(built.product.process.pid)
        async with bare_route(bodies) as url:
            plain = LeanClient(url)
            for _ in range(options.repetitions):
                product.append(await _open_loop(built.api, paths))
                bare.append(await _open_loop(plain, [f"/{index}" for index in range(len(paths))]))
            await plain.close()
        used = difference(cpu_seconds(built.product.process.pid), before)
    requests = _RATE * _SECONDS * options.repetitions
    return {
        "p50_ms": round(median([run["p50"] for run in product]), 2),
        "p95_ms": round(median([run["p95"] for run in product]), 2),
        "bare_p50_ms": round(median([run["p50"] for run in bare]), 2),
        "bare_p95_ms": round(median([run["p95"] for run in bare]), 2),
        "python_cpu_ms_per_request": round(used.get("python", 0.0) * 1000 / requests, 2),
        "chats": _CHATS,
        "requests_per_s": _RATE,
        "machine": machine(),
    }


async def _open_loop(client: LeanClient, paths: list[str]) -> dict[str, float]:
    """Start a request every 1/RATE s whatever happens; latency counts from the intended start."""
    latencies: list[float] = []

    async def one(at: float, path: str) -> None:
        await client.json("GET", path)
        latencies.append((time.perf_counter() - at) * 1000)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for index in range(int(_RATE * _SECONDS)):
            at = began + index / _RATE
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            path = paths[0] if index % 2 == 0 else paths[1 + index // 2 % (len(paths) - 1)]
            group.create_task(one(at, path))
    return {"p50": percentile(latencies, 0.5), "p95": percentile(latencies, 0.95)}
