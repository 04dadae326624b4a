"""`storage`: what a session and a message take on disk, and the processes in memory before the first session."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, pss_mb
from benchmarks.stand import Stand, poll, stand

_ROUNDS = (80, 200)  # messages in each direction: the first warms up, the growth in the second counts
_AT_REST_S = 15.0  # idle session stores are closed within this time
_TEXT = "x" * 60


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Link sessions, exchange messages with 50 customers, weigh stores and database before and after."""
    sessions = options.sessions or 20
    async with stand() as built:
        assert built.product.process is not None
        empty = pss_mb(built.product.process.pid, without=("valkey",))
        pairs = await built.link_many(sessions)
        customers = [f"62816{index:07d}" for index in range(50)]
        for customer in customers:
            await built.phones.json("POST", "/phones", {"number": customer})
        sizes = []
        for count in _ROUNDS:
            await _exchange(built, pairs, customers, count)
            await asyncio.sleep(_AT_REST_S)
            sizes.append(await asyncio.to_thread(_sizes, built.directory / "data"))
    messages = 2 * sessions * _ROUNDS[-1]
    return {
        "sessions": sessions,
        "store_mb_per_session": round(sizes[-1][0] / sessions / 1e6, 3),
        "database_kb_per_message": round((sizes[-1][1] - sizes[0][1]) / messages / 1e3, 2),
        "messages_per_session": 2 * sum(_ROUNDS),
        "mb_by_process_without_sessions": {role: round(value, 1) for role, value in empty.items()},
        "machine": machine(),
    }


async def _exchange(built: Stand, pairs: list[tuple[str, str]], customers: list[str], count: int) -> None:
    """Send and receive `count` texts by every session; return when everything has arrived."""
    before = (await built.phones.json("GET", "/stats"))["messages"]

    async def one(index: int, account: str, number: str) -> None:
        for turn in range(count):
            customer = customers[(index + turn) % len(customers)]
            text = {"body": f"storage {index} {turn} {_TEXT}"}
            incoming = {"to": number, "type": "text", "text": text}
            await built.phones.json("POST", f"/phones/{customer}/messages", incoming)
            outgoing = {"account_id": account, "to": "+" + customer, "type": "text", "text": text}
            await built.api.json("POST", "/messages", outgoing)

    await asyncio.gather(*(one(index, *pair) for index, pair in enumerate(pairs)))

    async def quiet() -> bool:
        stats = await built.phones.json("GET", "/stats")
        return bool(stats["messages"] - before >= count * len(pairs) and stats["queued"] == 0)

    await poll(quiet, 300, 0.5)


def _sizes(data: Path) -> tuple[int, int]:
    """Return bytes of all session stores and of the database, journals included."""
    stores = sum(path.stat().st_size for path in (data / "sessions").rglob("*") if path.is_file())
    return stores, sum(path.stat().st_size for path in data.glob("blazz.db*"))
