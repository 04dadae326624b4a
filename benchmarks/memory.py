"""`memory`: MB a session (proportional set size of all Blazz processes) and idle CPU, after 20 messages each."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from benchmarks.figures import cpu_seconds, difference, machine, pss_mb
from benchmarks.stand import poll, stand

_MESSAGES = 10  # in each direction
_IDLE_S = 30.0


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Link the sessions, exchange messages, wait until stores are closed, weigh."""
    sessions = options.sessions or 500
    async with stand() as built:
        assert built.product.process is not None
        pid = built.product.process.pid
        empty = pss_mb(pid, without=("valkey",))
        began = time.perf_counter()
        pairs = await built.link_many(sessions)
        linking = time.perf_counter() - began
        customers = [f"62816{index:07d}" for index in range(50)]
        for customer in customers:
            await built.phones.json("POST", "/phones", {"number": customer})
        gate = asyncio.Semaphore(16)

        async def exchange(index: int, account: str, number: str) -> None:
            for turn in range(_MESSAGES):
                customer = customers[(index + turn) % len(customers)]
                async with gate:
                    text = {"body": f"memory {index} {turn}"}
                    incoming = {"to": number, "type": "text", "text": text}
                    await built.phones.json("POST", f"/phones/{customer}/messages", incoming)
                    outgoing = {"account_id": account, "to": "+" + customer, "type": "text", "text": text}
                    await built.api.json("POST", "/messages", outgoing)

        before = (await built.phones.json("GET", "/stats"))["messages"]
        await asyncio.gather(*(exchange(index, *pair) for index, pair in enumerate(pairs)))

        async def quiet() -> bool:
            stats = await built.phones.json("GET", "/stats")
            return bool(stats["messages"] - before >= _MESSAGES * sessions and stats["queued"] == 0)

        await poll(quiet, 300, 0.5)
        await asyncio.sleep(_IDLE_S / 2)  # idle close of session stores
        before_cpu = cpu_seconds(pid)
        await asyncio.sleep(_IDLE_S)
        idle = difference(cpu_seconds(pid), before_cpu)
        full = pss_mb(pid, without=("valkey",))
    total = sum(full.values())
    return {
        "sessions": sessions,
        "mb_per_session": round(total / sessions, 3),
        "mb_per_session_beyond_base": round((total - sum(empty.values())) / sessions, 3),
        "mb_by_process": {role: round(value, 1) for role, value in full.items()},
        "mb_by_process_without_sessions": {role: round(value, 1) for role, value in empty.items()},
        "idle_cpu_percent": round(sum(idle.values()) / _IDLE_S * 100, 2),
        "link_seconds": round(linking, 1),
        "machine": machine(),
    }
