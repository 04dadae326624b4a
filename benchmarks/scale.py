"""`scale`: 3,000 numbers on 8 instances of one machine: memory and idle CPU after 20 messages each, and a cold start.

`blazz up --instances 8` with its own PostgreSQL and Valkey; the simulated network is a process of its own. Memory is
the proportional set size of every process of Blazz; database, Valkey and network are told apart from it. The cold start
begins with kill -9 of everything, the database server included, and ends with the last number's login.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.cluster_stand import tell
from benchmarks.figures import cpu_seconds, difference, machine, median, pss_mb
from benchmarks.http import LeanClient
from benchmarks.stand import Stand, poll, stand

_INSTANCES = 8
_SESSIONS = 3000
_PER_WORKSPACE = 10
_PER_PERSON = 40  # workspaces; the product's limit is 50
_AT_ONCE = 16
_CUSTOMERS = 200
_IDLE_S = 30.0
_START_S = 240.0
_LINK_S = 120.0  # for one number, on a machine that is linking many
_OURS = ("python", "engine")  # the rest is the database server, Valkey and what starts them


@dataclass(frozen=True, slots=True)
class _Linked:
    account_id: str
    phone: str
    headers: dict[str, str]


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Link, weigh, kill everything and start again. `--sessions 100 --instances 3 --messages 2` is a quick try."""
    sessions, instances = options.sessions or _SESSIONS, options.instances or _INSTANCES
    limit_s = 600 + sessions * 1.0 + options.repetitions * _START_S
    async with (
        asyncio.timeout(limit_s),
        stand({"BLAZZ_SIGN_UP": "true"}, up=("--instances", str(instances)), ready_s=_START_S) as built,
    ):
        assert built.product.process is not None
        empty = pss_mb(built.product.process.pid)
        began = time.perf_counter()
        numbers = await _link_all(built, sessions, options)
        linking = time.perf_counter() - began
        tell(options, f"{sessions} numbers linked in {linking:.0f} s")
        began = time.perf_counter()
        turns = max(1, options.messages // 2)  # in each direction
        await _exchange(built, numbers, turns)
        tell(options, f"{2 * turns} messages each in {time.perf_counter() - began:.0f} s")
        await asyncio.sleep(_IDLE_S / 2)  # idle close of session stores
        idle = await _idle_cpu(built)
        full = pss_mb(built.product.process.pid)
        network = pss_mb(built.network.ready["pid"])
        seconds = [await _restart(built, sessions, options) for _ in range(options.repetitions)]
        places = await _places(built)
    ours = {role: value for role, value in full.items() if role in _OURS}
    idle_ours = {role: value for role, value in idle.items() if role in _OURS}
    return {
        "sessions": sessions,
        "instances": instances,
        "mb_per_session": round(sum(ours.values()) / sessions, 3),
        "idle_cpu_percent": round(sum(idle_ours.values()) / _IDLE_S * 100, 2),
        "link_seconds": round(linking, 1),
        "restart_seconds": round(median([one["all_online"] for one in seconds]), 1),
        "restart_seconds_of_each": [one["all_online"] for one in seconds],
        "api_ready_seconds": round(median([one["ready"] for one in seconds]), 1),
        "owners_changed_by_restarts": places["moves"],
        "sessions_by_instance": places["sessions"],
        "mb_by_process": {role: round(value, 1) for role, value in full.items()},
        "mb_by_process_without_sessions": {role: round(value, 1) for role, value in empty.items()},
        "network_mb": round(sum(network.values()), 1),
        "idle_cpu_percent_by_process": {role: round(value / _IDLE_S * 100, 2) for role, value in idle.items()},
        "messages_each": 2 * turns,
        "machine": machine(),
    }


async def _link_all(built: Stand, sessions: int, options: argparse.Namespace) -> list[_Linked]:
    """Create workspaces of ten numbers, link them, wait until the network has all of them online."""
    api = LeanClient(f"{built.url}/api/v1")
    gate = asyncio.Semaphore(_AT_ONCE)
    owner: dict[str, str] = {}
    done = 0

    async def one(index: int, headers: dict[str, str]) -> _Linked:
        nonlocal done
        phone = f"62811{index:07d}"
        async with gate, asyncio.timeout(_LINK_S):
            await built.phones.json("POST", "/phones", {"number": phone, "name": f"Number {index}"})
            account = (await api.json("POST", "/accounts", {"name": phone}, headers))["id"]
            await api.json("POST", f"/accounts/{account}/connect", {}, headers)
            code = await poll(lambda: _code(api, account, headers), _LINK_S, 0.25)
            await built.phones.json("POST", f"/phones/{phone}/link", {"qr": code})
        done += 1
        if done % 250 == 0:
            tell(options, f"{done} numbers linked")
        return _Linked(account, phone, headers)

    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, first in enumerate(range(1, sessions + 1, _PER_WORKSPACE)):
            if number % _PER_PERSON == 0:
                owner = await _person(built, number)
            headers = await _workspace(api, owner, f"Shop {first}")
            here = range(first, min(first + _PER_WORKSPACE, sessions + 1))
            tasks += [group.create_task(one(index, headers)) for index in here]
    await poll(lambda: _online(built, sessions), 120, 0.1)
    await api.close()
    return [task.result() for task in tasks]


async def _person(built: Stand, number: int) -> dict[str, str]:
    """Sign a person up; returns the headers of the browser session."""
    body = {
        "email": f"owner{number}@example.com",
        "password": "a long benchmark password",
        "name": "Owner",
        "workspace_name": "Own",
    }
    async with httpx.AsyncClient(base_url=f"{built.url}/api/v1", timeout=30, trust_env=False) as browser:
        (await browser.post("/auth/sign-up", json=body)).raise_for_status()
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        return {"Cookie": cookie, "X-CSRF-Token": (await browser.get("/me")).json()["csrf_token"]}


async def _workspace(api: LeanClient, owner: dict[str, str], name: str) -> dict[str, str]:
    """Create a workspace; returns the headers of its API key."""
    made = await api.json("POST", "/workspaces", {"name": name}, owner)
    body = {"name": "benchmark", "scopes": ["accounts:read", "accounts:write", "messages:read", "messages:write"]}
    key = await api.json("POST", "/api-keys", body, {**owner, "X-Workspace": made["id"]})
    return {"Authorization": f"Bearer {key['key']}"}


async def _code(api: LeanClient, account: str, headers: dict[str, str]) -> str | None:
    status, content = await api.request("GET", f"/accounts/{account}/qr", headers=headers)
    return str(json.loads(content)["code"]) if status == 200 else None


async def _online(built: Stand, sessions: int) -> bool:
    return bool((await built.phones.json("GET", "/stats"))["online"] >= sessions)


async def _exchange(built: Stand, numbers: list[_Linked], turns: int) -> None:
    """Send `turns` messages each way for every number; return when all have arrived."""
    customers = [f"62816{index:07d}" for index in range(_CUSTOMERS)]
    for customer in customers:
        await built.phones.json("POST", "/phones", {"number": customer})
    api = LeanClient(f"{built.url}/api/v1")
    before = (await built.phones.json("GET", "/stats"))["messages"]
    todo = iter([(turn, index) for turn in range(turns) for index in range(len(numbers))])

    async def writer() -> None:
        for turn, index in todo:
            number = numbers[index]
            customer = customers[(index + turn) % len(customers)]
            text = {"type": "text", "text": {"body": f"scale {index} {turn}"}}
            await built.phones.json("POST", f"/phones/{customer}/messages", {"to": number.phone, **text})
            outgoing = {"account_id": number.account_id, "to": "+" + customer, **text}
            await api.json("POST", "/messages", outgoing, number.headers)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(writer())

    async def quiet() -> bool:
        stats = await built.phones.json("GET", "/stats")
        return bool(stats["messages"] - before >= turns * len(numbers) and stats["queued"] == 0)

    await poll(quiet, 300, 0.5)
    await api.close()


async def _idle_cpu(built: Stand) -> dict[str, float]:
    """Return CPU seconds by kind of process over the time of idleness; the network under `network`."""
    assert built.product.process is not None
    product, network = built.product.process.pid, built.network.ready["pid"]
    before, network_before = cpu_seconds(product), cpu_seconds(network)
    await asyncio.sleep(_IDLE_S)
    used = difference(cpu_seconds(product), before)
    return {**used, "network": sum(difference(cpu_seconds(network), network_before).values())}


async def _restart(built: Stand, sessions: int, options: argparse.Namespace) -> dict[str, float]:
    """Kill -9 everything, start it again; seconds until the API answers and until all are online."""
    ended = await built.restart_product()
    ready = time.monotonic() - ended
    await poll(lambda: _online(built, sessions), _START_S, 0.1)
    seconds = {"ready": round(ready, 1), "all_online": round(time.monotonic() - ended, 1)}
    tell(options, f"started again: {seconds}")
    return seconds


async def _places(built: Stand) -> dict[str, Any]:
    """Return how the sessions lie on the instances, by the cluster page, and how many have moved."""
    api = LeanClient(f"{built.url}/api/v1")
    cluster = await api.json("GET", "/admin/cluster", None, built.owner)
    moves = await api.json("GET", "/admin/cluster/moves?limit=100", None, built.owner)
    await api.close()
    return {
        "sessions": {one["id"]: one["sessions"] for one in cluster["instances"]},
        "moves": len(moves["data"]),
    }
