"""`routing`: what it costs a gateway to find the owner of a session, and how often it has to ask the database.

A gateway that knows nothing yet sends to 200 sessions of 4 instances, 64 sends at once: each finds its owner and hands
it one signed call over HTTP. Sessions move to other instances meanwhile, half of them without any hint.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import logging
import secrets
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import structlog
from sqlalchemy import insert, update

from benchmarks.figures import machine, median, percentile
from blazz import migrations
from blazz.cluster import service as cluster
from blazz.cluster.commands import ChatState, OnWhatsApp, PairingCode, QrView, SessionCommands
from blazz.cluster.internal_client import InternalClient
from blazz.cluster.remote import RemoteCommands
from blazz.cluster.routing import OwnerDirectory, owner_changed, owners
from blazz.cluster.tables import assignments
from blazz.events import Wakeups
from blazz.instance.health import HealthFacts
from blazz.instance.internal_api import InternalParts
from blazz.instance.ownership import OwnershipCheck
from blazz.instance.server import InternalServer
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.signing import Call, InternalKeys, Receiver, Verifier, sign_call
from blazz.kit.time import utc_now
from blazz.workspaces.tables import workspaces

_INSTANCES = 4
_SESSIONS = 200
_SENDS = 10_000
_AT_ONCE = 64
_MOVES_PER_1000 = 4
_TIMED = 20_000
_SCOPE = Platform("benchmark")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Interleave look-ups, bare dictionary look-ups, direct queries and signatures; then the sends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    samples: dict[str, list[float]] = {name: [] for name in ("lookup", "dict", "query", "sign", "verify", "call")}
    with tempfile.TemporaryDirectory(prefix="blazz-routing-") as directory:
        async with _cluster(Path(directory), options.sessions or _SESSIONS) as built:
            traffic = await built.send_all()
            for _ in range(options.repetitions):
                await built.measure(samples)
    return {
        **{f"{name}_us_p50": round(median(values), 2) for name, values in samples.items()},
        **traffic,
        "sessions": options.sessions or _SESSIONS,
        "instances": _INSTANCES,
        "machine": machine(),
    }


class _Sessions:
    """Sessions that do nothing, as far as they are asked here: what is measured is the way to them."""

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None: ...
    async def disconnect(self, account_id: uuid.UUID) -> None: ...
    async def log_out(self, account_id: uuid.UUID) -> None: ...
    async def typing(self, account_id: uuid.UUID, address: str, state: ChatState) -> None: ...
    async def mark_read(
        self, account_id: uuid.UUID, address: str, author: str, wa_message_ids: list[str], at: dt.datetime
    ) -> None: ...

    async def pairing_code(self, account_id: uuid.UUID, phone: str) -> PairingCode:
        return PairingCode("", utc_now())

    async def qr(self, account_id: uuid.UUID) -> QrView | None:
        return None

    async def on_whatsapp(self, account_id: uuid.UUID, phones: list[str]) -> list[OnWhatsApp]:
        return []


@dataclass
class _Instance:
    receiver: Receiver
    epochs: dict[uuid.UUID, int] = field(default_factory=dict)


@dataclass
class _Cluster:
    database: Database
    directory: OwnerDirectory
    commands: RemoteCommands
    keys: InternalKeys
    instances: list[_Instance]
    accounts: list[uuid.UUID]

    async def send_all(self) -> dict[str, Any]:
        """Make all sends, while sessions move; returns the figures."""
        gate, seconds, first = asyncio.Semaphore(_AT_ONCE), [0.0] * _SENDS, 0

        async def one(index: int) -> None:
            async with gate:
                began = time.perf_counter()
                account_id = self.accounts[index * 7919 % len(self.accounts)]
                await self.commands.mark_read(account_id, "62811@s.whatsapp.net", "", [f"3EB0{index:016X}"], utc_now())
                seconds[index] = (time.perf_counter() - began) * 1000

        began = time.perf_counter()
        for start in range(0, _SENDS, 1000):
            async with asyncio.TaskGroup() as group:
                for index in range(start, start + 1000):
                    group.create_task(one(index))
                for number in range(_MOVES_PER_1000):
                    group.create_task(self._move(self.accounts[start // 1000 + number], hint=number % 2 == 0))
            first = first or self.directory.queries
        return {
            "queries_per_1000_sends": round(self.directory.queries * 1000 / _SENDS, 2),
            "queries_of_the_first_1000": first,
            "send_ms_p50": round(percentile(seconds, 0.5), 2),
            "sends_per_s": round(_SENDS / (time.perf_counter() - began)),
            "sends": _SENDS,
            "moves": _MOVES_PER_1000 * _SENDS // 1000,
        }

    async def measure(self, samples: dict[str, list[float]]) -> None:
        """Time each kind alone; microseconds."""
        bare = {account_id: object() for account_id in self.accounts}
        receiver = self.instances[0].receiver
        call = Call("POST", b"/internal/v1/sessions/x/typing", b"", secrets.token_bytes(200))
        verifier = Verifier(self.keys, receiver)
        for account_id in self.accounts:
            await self.directory.find(account_id)
        signed = [sign_call(self.keys, call, receiver).headers for _ in range(_TIMED // 10)]
        samples["dict"] += _timed(lambda index: bare.get(self.accounts[index % len(self.accounts)]), _TIMED)
        samples["sign"] += _timed(lambda index: sign_call(self.keys, call, receiver), _TIMED // 10)
        samples["verify"] += _timed(lambda index: verifier.check(call, _Headers(signed[index])), _TIMED // 10)
        for index in range(_TIMED):
            began = time.perf_counter_ns()
            await self.directory.find(self.accounts[index % len(self.accounts)])
            samples["lookup"].append((time.perf_counter_ns() - began) / 1000)
        for account_id in self.accounts:
            began = time.perf_counter_ns()
            await self.commands.typing(account_id, "62811@s.whatsapp.net", "composing")
            samples["call"].append((time.perf_counter_ns() - began) / 1000)
            began = time.perf_counter_ns()
            await self.database.read(_SCOPE, owners, [account_id])
            samples["query"].append((time.perf_counter_ns() - began) / 1000)

    async def _move(self, account_id: uuid.UUID, *, hint: bool) -> None:
        """Give a session to the next instance, as a hand-over does."""

        def work(tx: Tx) -> int:
            present = owners(tx, [account_id])[account_id]
            names = [instance.receiver.id for instance in self.instances]
            target = (names.index(present.instance_id) + 1) % len(names)
            change = update(assignments).where(assignments.c.id == account_id)
            tx.execute(change.values(instance_id=names[target], epoch=present.epoch + 1))
            if hint:
                owner_changed(tx, account_id)
            Wakeups.shared().notify_after_commit(tx, cluster.TOPIC)
            return target

        target = self.instances[await self.database.write(_SCOPE, work)]
        epochs = [instance.epochs.pop(account_id, 0) for instance in self.instances]
        target.epochs[account_id] = max(epochs) + 1


class _Headers(dict[str, str]):
    """Headers as the verifier looks them up."""


def _timed(work: Callable[[int], object], times: int) -> list[float]:
    taken = []
    for index in range(times):
        began = time.perf_counter_ns()
        work(index)
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


@contextlib.asynccontextmanager
async def _cluster(directory: Path, sessions: int) -> AsyncIterator[_Cluster]:
    """Four instances' internal ports and a gateway's way to them, in this process, on SQLite."""
    keys, settings = InternalKeys(secrets.token_bytes(32)), Settings.model_construct(data_dir=directory)
    migrations.upgrade(settings.database_path)
    async with contextlib.AsyncExitStack() as parts:
        database = Database.open(settings.database_path)
        parts.push_async_callback(database.close)
        instances = [await _instance(parts, database, settings, keys, f"instance-{n}") for n in range(_INSTANCES)]
        workspace_id = uuid7()
        accounts = await database.write(_SCOPE, _seed, workspace_id, sessions, instances)
        directory_ = OwnerDirectory(database)
        await directory_.start()
        parts.push_async_callback(directory_.stop)
        client = InternalClient(keys)
        parts.push_async_callback(client.close)
        yield _Cluster(database, directory_, RemoteCommands(directory_, client), keys, instances, accounts)


async def _instance(
    parts: contextlib.AsyncExitStack, database: Database, settings: Settings, keys: InternalKeys, name: str
) -> _Instance:
    server = InternalServer(settings, keys)
    member = cluster.Member(instance_id=name, capacity=500, version="benchmark", url=server.bind())
    registration = await database.write(_SCOPE, cluster.register, member)
    instance = _Instance(Receiver(name, registration.generation))

    def facts() -> HealthFacts:
        return HealthFacts(len(instance.epochs), 500, draining=False, lease_valid=True, engine_pid=None)

    ownership = OwnershipCheck(database, instance.receiver, instance.epochs.get)
    await server.start(instance.receiver, InternalParts(cast("SessionCommands", _Sessions()), ownership, facts))
    parts.push_async_callback(server.stop)
    return instance


def _seed(tx: Tx, workspace_id: uuid.UUID, sessions: int, instances: list[_Instance]) -> list[uuid.UUID]:
    now = utc_now()
    workspace = {"id": workspace_id, "number": 1, "name": "W", "timezone": "UTC", "default_country": "ID"}
    tx.execute(insert(workspaces), {**workspace, "settings": {}, "created_at": now})
    accounts = [uuid7() for _ in range(sessions)]
    for index, account_id in enumerate(accounts):
        instance = instances[index % len(instances)]
        cluster.want_running(
            tx, workspace_id, account_id, cluster.Placement(instance.receiver.id, instance.receiver.generation)
        )
        instance.epochs[account_id] = 1
    return accounts
