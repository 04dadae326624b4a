"""`groups`: a group of 256 members on one number: messages a second out (from the API to all phones) and in."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from typing import Any

from benchmarks.figures import cpu_seconds, difference, machine, median
from benchmarks.stand import Stand, poll, stand

_MEMBERS = 256
_OUT = 60
_IN = 300
_CALLERS = 8
_WITHIN_S = 300.0


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Send and receive in one large group, interleaved; every outgoing message is encrypted for each member's phone."""
    out: list[float] = []
    inbound: list[float] = []
    costs: list[dict[str, float]] = []
    async with stand() as built:
        (account, phone), *_ = await built.link_many(1)
        members = [f"62815{index:07d}" for index in range((options.sessions or _MEMBERS) - 1)]
        for number in members:
            await built.phones.json("POST", "/phones", {"number": number})
        body = {"number": members[0], "subject": "Large", "members": [phone, *members[1:]]}
        address = (await built.phones.json("POST", "/groups", body))["jid"]
        chat = await _known(built, address)
        first = time.perf_counter()
        await _out(built, account, chat, 1)  # it makes a session with every member
        first_s = time.perf_counter() - first
        for _ in range(options.repetitions):
            rate, cost = await _out(built, account, chat, _OUT)
            out.append(rate)
            costs.append(cost)
            inbound.append(await _in(built, address, chat, members))
    return {
        "members": len(members) + 1,
        "first_message_s": round(first_s, 2),
        "out_msgs_per_s": round(median(out), 1),
        "in_msgs_per_s": round(median(inbound), 1),
        "cpu_ms_per_msg_by_process": costs[len(costs) // 2],
        "machine": machine(),
    }


async def _known(built: Stand, address: str) -> str:
    """Wait until the product has the group and return its id."""
    found: list[str] = []

    async def there() -> bool:
        listed = await built.api.json("GET", "/groups")
        found[:] = [group["id"] for group in listed["data"] if group["address"] == address]
        return bool(found)

    await poll(there, 60, 0.1)
    return found[0]


async def _out(built: Stand, account: str, chat: str, total: int) -> tuple[float, dict[str, float]]:
    """Return messages a second until the last one is with the network, and CPU ms a message by process."""
    assert built.product.process is not None
    before_cpu = cpu_seconds(built.product.process.pid)
    before = (await built.phones.json("GET", "/stats"))["messages"]
    numbers = iter(range(total))

    async def caller() -> None:
        for number in numbers:
            text = {"account_id": account, "to": chat, "type": "text", "text": {"body": f"benchmark {number}"}}
            await built.api.json("POST", "/messages", text, {"Idempotency-Key": f"g{time.time_ns()}-{number}"})

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(_CALLERS, total)):
            group.create_task(caller())

    async def all_there() -> bool:
        return bool((await built.phones.json("GET", "/stats"))["messages"] - before >= total)

    await poll(all_there, _WITHIN_S, 0.02)
    seconds = time.perf_counter() - began
    used = difference(cpu_seconds(built.product.process.pid), before_cpu)
    return total / seconds, {role: round(cpu * 1000 / total, 3) for role, cpu in used.items()}


async def _in(built: Stand, address: str, chat: str, members: list[str]) -> float:
    """Return messages a second from many members until the last one is stored."""
    unread = (await built.api.json("GET", f"/chats/{chat}"))["unread_count"]
    began = time.perf_counter()
    for number, member in zip(range(_IN), itertools.cycle(members), strict=False):
        text = {"to": address, "type": "text", "text": {"body": f"in {number}"}}
        await built.phones.json("POST", f"/phones/{member}/messages", text)

    async def all_stored() -> bool:
        return bool((await built.api.json("GET", f"/chats/{chat}"))["unread_count"] - unread >= _IN)

    await poll(all_stored, _WITHIN_S, 0.05)
    return _IN / (time.perf_counter() - began)
