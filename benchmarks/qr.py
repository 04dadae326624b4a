"""`qr`: seconds from asking for a link to the QR code, and from scanning it to connected, by API and WebSocket."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from benchmarks.events import EventSocket
from benchmarks.figures import machine, percentile
from benchmarks.stand import Stand, stand


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Link 50 numbers, one after the other."""
    count = options.sessions or 50
    async with stand() as built, EventSocket(built.url, built.api_key) as events:
        pairs = [await _link(built, events, index) for index in range(1, count + 1)]
    shown, connected = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return {
        "qr_p50_s": round(percentile(shown, 0.5), 4),
        "qr_p95_s": round(percentile(shown, 0.95), 4),
        "connected_p50_s": round(percentile(connected, 0.5), 4),
        "connected_p95_s": round(percentile(connected, 0.95), 4),
        "linkings": count,
        "machine": machine(),
    }


async def _link(built: Stand, events: EventSocket, index: int) -> tuple[float, float]:
    number = f"62812{index:07d}"
    await built.phones.json("POST", "/phones", {"number": number})
    account = (await built.api.json("POST", "/accounts", {"name": number}))["id"]
    qr_event = events.expect("session.qr", account)
    began = time.perf_counter()
    await built.api.json("POST", f"/accounts/{account}/connect", {})
    await asyncio.wait_for(qr_event, 20)
    code = (await built.api.json("GET", f"/accounts/{account}/qr"))["code"]
    shown = time.perf_counter()
    connected_event = events.expect("session.connected", account)
    await built.phones.json("POST", f"/phones/{number}/link", {"qr": code})
    await asyncio.wait_for(connected_event, 30)
    return shown - began, time.perf_counter() - shown
