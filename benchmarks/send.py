"""`send`: messages a second from the API to the phones, durable, against the bare engine host in the same run."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from benchmarks.bare_engine import BareEngine
from benchmarks.figures import cpu_seconds, difference, machine, median
from benchmarks.stand import Stand, poll, stand

_CALLERS = (1, 16, 64)
_TOTAL = {1: 300, 16: 1500, 64: 1500}
_RECIPIENTS = 100


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Interleave product and bare engine host; report medians of the best number of callers."""
    sessions = options.sessions or 50
    product: dict[int, list[float]] = {callers: [] for callers in _CALLERS}
    bare: dict[int, list[float]] = {callers: [] for callers in _CALLERS}
    costs: list[dict[str, float]] = []
    async with stand(fsync_ms=options.fsync_ms) as built:
        accounts = [account for account, _ in await built.link_many(sessions)]
        recipients = [f"62814{index:07d}" for index in range(_RECIPIENTS)]
        for number in recipients:
            await built.phones.json("POST", "/phones", {"number": number})
        async with BareEngine(built.network.ready, built.directory, built.stores.with_name("bare")) as engine:
            await engine.link_many(built.phones, sessions)
            await _product_rate(built, accounts, recipients, 16, 200)
            await engine.send_rate(sessions, recipients, 200, 16)
            for _ in range(options.repetitions):
                for callers in _CALLERS:
                    total = _TOTAL[callers]
                    rate, cost = await _product_rate(built, accounts, recipients, callers, total)
                    product[callers].append(rate)
                    if callers == max(_CALLERS):
                        costs.append(cost)
                    bare[callers].append(await engine.send_rate(sessions, recipients, total, callers))
    best = max(median(rates) for rates in product.values())
    raw = max(median(rates) for rates in bare.values())
    return {
        "msgs_per_s": round(best, 1),
        "raw_msgs_per_s": round(raw, 1),
        "ratio": round(best / raw, 3),
        "python_cpu_ms_per_msg": round(median([cost["python"] for cost in costs]), 3),
        "cpu_ms_per_msg_by_process": costs[len(costs) // 2],
        "msgs_per_s_by_callers": {str(callers): round(median(rates), 1) for callers, rates in product.items()},
        "raw_msgs_per_s_by_callers": {str(callers): round(median(rates), 1) for callers, rates in bare.items()},
        "sessions": sessions,
        "fsync_ms": options.fsync_ms,
        "machine": machine(),
    }


async def _product_rate(
    built: Stand, accounts: list[str], recipients: list[str], callers: int, total: int
) -> tuple[float, dict[str, float]]:
    """Return messages a second until the last one is acknowledged by the network, and CPU ms a message by process."""
    assert built.product.process is not None
    before_cpu = cpu_seconds(built.product.process.pid)
    before = (await built.phones.json("GET", "/stats"))["messages"]
    numbers = iter(range(total))

    async def caller() -> None:
        for number in numbers:
            body = {
                "account_id": accounts[number % len(accounts)],
                "to": "+" + recipients[number % len(recipients)],
                "type": "text",
                "text": {"body": f"benchmark {number}"},
            }
            await built.api.json("POST", "/messages", body, {"Idempotency-Key": f"b{time.time_ns()}-{number}"})

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())

    async def all_there() -> bool:
        return bool((await built.phones.json("GET", "/stats"))["messages"] - before >= total)

    await poll(all_there, 120, 0.01)
    seconds = time.perf_counter() - began
    used = difference(cpu_seconds(built.product.process.pid), before_cpu)
    return total / seconds, {role: round(cpu * 1000 / total, 3) for role, cpu in used.items()}
