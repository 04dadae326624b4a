"""`history`: a phone with 500 chats of 50 messages is linked: seconds until all is stored, memory, and live messages
meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import time
from functools import partial
from typing import Any

from benchmarks.figures import machine, median, percentile, pss_mb
from benchmarks.stand import Stand, poll, stand

_CHATS = 500
_EACH = 50
_SAMPLE_S = 0.25
_LIVE_EVERY_S = 0.2
_WITHIN_S = 600.0


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Link one phone with a past for each repetition."""
    chats = options.sessions or _CHATS
    runs: list[dict[str, float]] = []
    async with stand(in_process_network=False) as built:
        warm = await _phone(built, 0, 2)
        await built.link(warm)
        for repetition in range(1, options.repetitions + 1):
            phone = await _phone(built, repetition, chats)
            runs.append(await _import(built, phone, chats * _EACH))
    return {
        "seconds": round(median([one["seconds"] for one in runs]), 2),
        "msgs_per_s": round(median([one["msgs_per_s"] for one in runs]), 1),
        "lost": int(sum(one["lost"] for one in runs)),
        "peak_mb_above_start": round(max(one["peak_mb"] for one in runs), 1),
        "mb_kept_after": round(median([one["kept_mb"] for one in runs]), 1),
        "live_p95_ms_meanwhile": round(median([one["live_p95_ms"] for one in runs]), 1),
        "chats": chats,
        "messages_each": _EACH,
        "machine": machine(),
    }


async def _phone(built: Stand, index: int, chats: int) -> str:
    number = f"62816{index:07d}"
    await built.phones.json("POST", "/phones", {"number": number, "name": f"Shop {index}"})
    body = {"chats": chats, "messages_each": _EACH, "days": 25}
    await built.phones.json("POST", f"/phones/{number}/past", body)
    return number


async def _import(built: Stand, number: str, expected: int) -> dict[str, float]:
    """Link a phone and watch the import; a customer writes all the while, and must not wait for it."""
    assert built.product.process is not None
    pid = built.product.process.pid
    start = sum(pss_mb(pid).values())
    peak = start
    account_id = await built.link(number)
    began = time.perf_counter()
    done = asyncio.Event()

    async def watch_memory() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, sum((await asyncio.to_thread(pss_mb, pid)).values()))
            await asyncio.sleep(_SAMPLE_S)

    watching = asyncio.create_task(watch_memory())
    writing = asyncio.create_task(_live(built, number, done))
    try:
        view = await poll(lambda: _finished(built, account_id), _WITHIN_S)
        seconds = time.perf_counter() - began
    finally:
        done.set()
        await watching
        live = await writing
    kept = sum(pss_mb(pid).values()) - start
    return {
        "seconds": seconds,
        "msgs_per_s": view["messages"] / seconds,
        "lost": expected - view["messages"],
        "peak_mb": peak - start,
        "kept_mb": kept,
        "live_p95_ms": percentile(live, 0.95) if live else 0.0,
    }


async def _finished(built: Stand, account_id: str) -> dict[str, Any] | None:
    view: dict[str, Any] = await built.api.json("GET", f"/accounts/{account_id}/history")
    return view if view["state"] in ("done", "failed") else None


async def _live(built: Stand, number: str, done: asyncio.Event) -> list[float]:
    """Write to the number now and then; returns the milliseconds until each message was in its chat's list."""
    customer = f"62817{number[-7:]}"
    await built.phones.json("POST", "/phones", {"number": customer})
    waits: list[float] = []
    while not done.is_set():
        body = f"live {time.time_ns()}"
        began = time.perf_counter()
        text = {"to": number, "type": "text", "text": {"body": body}}
        await built.phones.json("POST", f"/phones/{customer}/messages", text)
        await poll(partial(_listed, built, body), 60)
        waits.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(_LIVE_EVERY_S)
    return waits


async def _listed(built: Stand, body: str) -> bool:
    page = await built.api.json("GET", "/chats?limit=5")
    return any(chat["last_message"]["preview"] == body for chat in page["data"])
