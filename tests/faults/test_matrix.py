"""The long matrix (`make prove`): kill -9 at random moments under traffic both ways; every serial is counted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from benchmarks.http import HttpError
from benchmarks.stand import Stand, poll, process_family, stand

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.prove, pytest.mark.timeout(1800)]
ROUNDS = int(os.environ.get("BLAZZ_PROVE_ROUNDS", "12"))
PER_ROUND = 60
NUMBERS, CUSTOMERS = 3, 5
_AWAY = (OSError, HttpError, asyncio.IncompleteReadError, ValueError)


@dataclass
class Traffic:
    """Serials that went in on either side."""

    built: Stand
    accounts: list[tuple[str, str]]
    customers: list[str]
    serial: Any = field(default_factory=lambda: itertools.count(1))
    inbound: list[str] = field(default_factory=list)
    outbound: list[str] = field(default_factory=list)

    async def customer_writes(self) -> None:
        serial = f"in {next(self.serial)}"
        self.inbound.append(serial)
        customer = random.choice(self.customers)
        body = {"to": random.choice(self.accounts)[1], "type": "text", "text": {"body": serial}}
        await self.built.phones.json("POST", f"/phones/{customer}/messages", body)

    async def team_writes(self) -> None:
        """Send, and repeat the same request until it was accepted: the product may be down."""
        serial = f"out {next(self.serial)}"
        self.outbound.append(serial)
        account, customer = random.choice(self.accounts)[0], random.choice(self.customers)
        body = {"account_id": account, "to": f"+{customer}", "type": "text", "text": {"body": serial}}
        while True:
            with contextlib.suppress(*_AWAY):
                await self.built.api.json("POST", "/messages", body, {"Idempotency-Key": serial.replace(" ", "-")})
                return
            await asyncio.sleep(0.2)

    async def stored(self) -> Counter[str]:
        """How often each inbound serial is stored."""
        found: Counter[str] = Counter()
        chats = (await self.built.api.json("GET", "/chats?limit=200"))["data"]
        for chat in chats:
            cursor = ""
            while True:
                page = await self.built.api.json("GET", f"/chats/{chat['id']}/messages?limit=200{cursor}")
                received = [message for message in page["data"] if message["direction"] == "inbound"]
                found.update((message["text"] or {}).get("body", f"? {message['id']}") for message in received)
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
        return found

    async def shown(self) -> Counter[str]:
        """How often each outbound serial is shown on the customers' phones."""
        found: Counter[str] = Counter()
        for customer in self.customers:
            after = 0
            while True:
                page = await self.built.phones.json("GET", f"/phones/{customer}/messages?after={after}&limit=200")
                found.update(message["body"] for message in page["data"] if message["body"].startswith("out "))
                if not page["more"]:
                    break
                after = page["next_after"]
        return found

    async def complete(self) -> bool:
        try:
            stored, shown = await self.stored(), await self.shown()
        except _AWAY:
            return False
        return set(self.inbound) <= set(stored) and set(self.outbound) <= set(shown)


async def cut(built: Stand, kind: str) -> None:
    """Kill -9 the engine host, the Python process, or both; a dead product is started again."""
    assert built.product.process is not None
    if kind == "engine":
        for process in process_family(built.product.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "engine" in process.name():
                    process.kill()
        return
    if kind == "python":
        family = process_family(built.product.process.pid)
        built.product.process.send_signal(signal.SIGKILL)
        await built.product.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 20)
        assert alive == [], "the children end with their parent"
    await built.restart_product(signal.SIGKILL)


async def test_random_kills_under_traffic_lose_nothing_and_double_nothing() -> None:
    seed = random.randrange(2**32)
    random.seed(seed)
    print(f"seed {seed}, {ROUNDS} rounds")
    async with stand() as built:
        customers = [f"62818{index:07d}" for index in range(CUSTOMERS)]
        for customer in customers:
            await built.phones.json("POST", "/phones", {"number": customer})
        traffic = Traffic(built, await built.link_many(NUMBERS), customers)
        kills: Counter[str] = Counter()
        for number in range(ROUNDS):
            kind = random.choice(["engine", "python", "everything"])
            kills[kind] += 1
            async with asyncio.TaskGroup() as group:
                for _ in range(PER_ROUND):
                    group.create_task(traffic.customer_writes())
                    group.create_task(traffic.team_writes())
                    await asyncio.sleep(random.uniform(0, 0.05))
                await cut(built, kind)
            print(f"round {number + 1}: {kind}", flush=True)
        await poll(traffic.complete, 180, 1.0)
        await asyncio.sleep(3)  # a double would come with a late redelivery
        stored, shown = await traffic.stored(), await traffic.shown()
        stats = await built.phones.json("GET", "/stats")
    unread = [serial for serial in stored if serial.startswith("?")]
    doubled = [serial for serial, count in (stored + shown).items() if count > 1]
    print(f"kills {dict(kills)}, inbound {len(traffic.inbound)}, outbound {len(traffic.outbound)}, network {stats}")
    assert unread == []
    assert doubled == []
    assert stats["stanzas_from_older_connection"] == 0
