"""`receive`: from a phone to the WebSocket: latency at 100 a second, rate and completeness of a burst of 4,000."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from benchmarks.events import EventSocket
from benchmarks.figures import cpu_seconds, difference, machine, median, percentile
from benchmarks.stand import InProcessNetwork, Stand, poll, stand
from whatsim.model import TextContent

_BURST = 4000
_PACED = 600
_RATE = 100.0
_SENDERS = 40


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure 50 sessions, then one session of them alone."""
    sessions = options.sessions or 50
    many: list[dict[str, float]] = []
    single: list[dict[str, float]] = []
    async with stand(in_process_network=True, fsync_ms=options.fsync_ms) as built:
        pairs = await built.link_many(sessions)
        numbers = [number for _, number in pairs]
        senders = [f"62815{index:07d}" for index in range(_SENDERS)]
        for sender in senders:
            await built.phones.json("POST", "/phones", {"number": sender})
        await _burst(built, senders, numbers, 200)
        for _ in range(options.repetitions):
            many.append({**await _paced(built, senders, numbers), **await _burst(built, senders, numbers, _BURST)})
            single.append(await _burst(built, senders, numbers[:1], _BURST // 4))
    return {
        "msgs_per_s": round(median([run["msgs_per_s"] for run in many]), 1),
        "p50_ms_at_100_per_s": round(median([run["p50_ms"] for run in many]), 2),
        "p95_ms_at_100_per_s": round(median([run["p95_ms"] for run in many]), 2),
        "lost": int(sum(run["lost"] for run in many + single)),
        "doubled": int(sum(run["doubled"] for run in many + single)),
        "burst": _BURST,
        "one_session_msgs_per_s": round(median([run["msgs_per_s"] for run in single]), 1),
        "cpu_ms_per_msg": {key: many[-1][key] for key in many[-1] if key.endswith("_cpu_ms")},
        "sessions": sessions,
        "fsync_ms": options.fsync_ms,
        "machine": machine(),
    }


async def _paced(built: Stand, senders: list[str], numbers: list[str]) -> dict[str, float]:
    """Send at a fixed pace (open loop); latency counts from the intended moment to the WebSocket frame."""
    async with EventSocket(built.url, built.api_key) as events:
        serial = time.time_ns()
        intended: dict[str, float] = {}
        began = time.time()
        tasks = []
        for index in range(_PACED):
            at = began + index / _RATE
            await asyncio.sleep(max(0.0, at - time.time()))
            body = f"paced {serial} {index}"
            intended[body] = at
            tasks.append(asyncio.create_task(_say(built, senders, numbers, index, body)))
        await asyncio.gather(*tasks)
        await poll(lambda: _reached(events, _PACED), 30)
        arrived = dict(events.received_at)
    bodies = await _bodies(built, list(arrived))
    latencies = [(arrived[key] - intended[body]) * 1000 for key, body in bodies.items() if body in intended]
    return {"p50_ms": percentile(latencies, 0.5), "p95_ms": percentile(latencies, 0.95)}


async def _burst(built: Stand, senders: list[str], numbers: list[str], total: int) -> dict[str, float]:
    """Hand `total` messages to the phones as fast as they take them; count by the serials stored."""
    assert built.product.process is not None
    before_cpu, before_own = cpu_seconds(built.product.process.pid), time.process_time()
    serial = time.time_ns()
    async with EventSocket(built.url, built.api_key) as events:
        began = time.perf_counter()
        indexes = iter(range(total))

        async def sender() -> None:
            for index in indexes:
                await _say(built, senders, numbers, index, f"burst {serial} {index}")

        async with asyncio.TaskGroup() as group:
            for _ in range(32):
                group.create_task(sender())
        offered = total / (time.perf_counter() - began)
        await poll(lambda: _reached(events, total), 180)
        seconds = time.perf_counter() - began
        keys = list(events.received_at)
        count = events.counts["message.received"]
    used = difference(cpu_seconds(built.product.process.pid), before_cpu)
    used["network_and_reader"] = time.process_time() - before_own  # all of this process
    bodies = [body for body in (await _bodies(built, keys)).values() if body.startswith(f"burst {serial} ")]
    return {
        "msgs_per_s": total / seconds,
        "offered_per_s": offered,
        "lost": total - len(set(bodies)),
        "doubled": max(0, count - total) + len(bodies) - len(set(bodies)),
        **{f"{role}_cpu_ms": round(cpu * 1000 / total, 3) for role, cpu in used.items()},
    }


async def _reached(events: EventSocket, total: int) -> bool:
    return events.counts["message.received"] >= total


async def _say(built: Stand, senders: list[str], numbers: list[str], index: int, body: str) -> None:
    sender = senders[index % len(senders)]
    to = numbers[index % len(numbers)]
    assert isinstance(built.network, InProcessNetwork) and built.network.network is not None
    await built.network.network.send_message(sender, to, TextContent(body))


async def _bodies(built: Stand, keys: list[str]) -> dict[str, str]:
    """Return the text of each message id."""
    gate = asyncio.Semaphore(16)

    async def one(key: str) -> tuple[str, str]:
        async with gate:
            status, content = await built.api.request("GET", f"/messages/{key}")
            return key, json.loads(content)["text"]["body"] if status == 200 else ""

    return dict(await asyncio.gather(*(one(key) for key in keys)))
