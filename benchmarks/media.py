"""`media`: files up and down, 1 GB in all: megabytes a second of each way, and memory, which must stay flat."""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import httpx

from benchmarks.figures import machine, pss_mb
from benchmarks.stand import Stand, poll, stand

_FILE_MB = 8
_AT_ONCE = 4
_HEAD_LINES = 7000  # of ten bytes each: more than what is looked at to tell the type
_SAMPLE_S = 0.25
_WITHIN_S = 900.0
_CUSTOMER = "628170000001"


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Upload over the API, send to a phone, receive from a phone, read over the API: a quarter of all bytes each."""
    count = max(1, options.megabytes // 4 // _FILE_MB)
    async with (
        stand() as built,
        httpx.AsyncClient(
            base_url=f"{built.url}/api/v1",
            headers={"Authorization": f"Bearer {built.api_key}"},
            timeout=120,
            trust_env=False,
        ) as client,
    ):
        ((account_id, number),) = await built.link_many(1)
        await built.phones.json("POST", "/phones", {"number": _CUSTOMER})
        bench = Bench(built, client, account_id, number)
        await bench.warm_up()
        assert built.product.process is not None
        start = sum(pss_mb(built.product.process.pid).values())
        rates = {
            "upload": await bench.rate(bench.upload, count),
            "send": await bench.rate(bench.send, count),
            "receive": await bench.rate(bench.receive, count),
            "read": await bench.rate(bench.read, count),
        }
    return {
        **{f"{name}_mb_per_s": round(rate, 1) for name, rate in rates.items()},
        "megabytes": 4 * count * _FILE_MB,
        "file_mb": _FILE_MB,
        "start_mb": round(start, 1),
        "peak_mb_above_start": round(bench.peak - start, 1),
        "machine": machine(),
    }


class Bench:
    """One number and one customer, and the files between them."""

    def __init__(self, built: Stand, client: httpx.AsyncClient, account_id: str, number: str) -> None:
        self._built, self._client, self._account_id, self._number = built, client, account_id, number
        self._ids: list[str] = []
        self._received = 0
        self.peak = 0.0

    async def warm_up(self) -> None:
        """One file each way, so that what is loaded once is loaded."""
        for work in (self.upload, self.send, self.receive, self.read):
            await work(1)
        self._ids.clear()

    async def rate(self, work: Callable[[int], Awaitable[None]], count: int) -> float:
        """Return megabytes a second of `count` files, watching memory."""
        assert self._built.product.process is not None
        pid, done = self._built.product.process.pid, asyncio.Event()

        async def watch() -> None:
            while not done.is_set():
                self.peak = max(self.peak, sum((await asyncio.to_thread(pss_mb, pid)).values()))
                await asyncio.sleep(_SAMPLE_S)

        watching = asyncio.create_task(watch())
        began = time.perf_counter()
        try:
            await work(count)
            return count * _FILE_MB / (time.perf_counter() - began)
        finally:
            done.set()
            await watching

    async def upload(self, count: int) -> None:
        """Take files in over the API."""

        async def one() -> None:
            # a text by its head, so that it is taken; the rest is random, so that nothing is equal
            content = b"benchmark\n" * _HEAD_LINES + os.urandom(_FILE_MB * 1_000_000 - 10 * _HEAD_LINES)
            answer = await self._client.post("/media", files={"file": ("file.txt", content, "text/plain")})
            answer.raise_for_status()
            self._ids.append(answer.json()["id"])

        await _at_once([one] * count)

    async def send(self, count: int) -> None:
        """Send what was uploaded, until WhatsApp has acknowledged all of it."""
        before = (await self._built.phones.json("GET", "/stats"))["messages"]
        for media_id in self._ids[-count:]:
            body = {"account_id": self._account_id, "to": f"+{_CUSTOMER}", "type": "document"}
            await self._built.api.json("POST", "/messages", {**body, "document": {"id": media_id}})

        async def sent() -> bool:
            return bool((await self._built.phones.json("GET", "/stats"))["messages"] - before >= count)

        await poll(sent, _WITHIN_S, 0.05)

    async def receive(self, count: int) -> None:
        """Have the customer send files, until all of them are stored here."""
        head = await self._head()

        async def one() -> None:
            content = base64.b64encode(os.urandom(_FILE_MB * 1_000_000)).decode()
            document = {"base64": content, "filename": "file.bin"}
            body = {"to": self._number, "type": "document", "document": document}
            await self._built.phones.json("POST", f"/phones/{_CUSTOMER}/messages", body)

        await _at_once([one] * count)

        async def stored() -> bool:
            return await self._completed(head) >= count

        await poll(stored, _WITHIN_S, 0.2)

    async def read(self, count: int) -> None:
        """Read files over the API."""

        async def one(media_id: str) -> None:
            async with self._client.stream("GET", f"/media/{media_id}/content") as answer:
                answer.raise_for_status()
                async for _ in answer.aiter_raw():
                    pass

        await _at_once([partial(one, media_id) for media_id in self._ids[-count:]])

    async def _head(self) -> int:
        return int((await self._built.api.json("GET", "/events?after=0&limit=1"))["head"])

    async def _completed(self, after: int) -> int:
        found = 0
        while True:
            page = await self._built.api.json("GET", f"/events?after={after}&limit=200")
            events = page["data"]
            found += sum(
                event["name"] == "media.updated" and event["data"]["status"] == "completed" for event in events
            )
            if len(events) < 200:
                return int(found)
            after = events[-1]["position"]


async def _at_once(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            await work()

    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(one(work))
