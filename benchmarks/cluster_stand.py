"""The stand of the cluster's benchmarks: roles that can be killed and drained, a steady load, a record of outages.

It is the cluster of the tests (`tests.support.cluster`): every role a process of its own on a private PostgreSQL, with
default settings, and the simulated network in this process, where all that phones see can be counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.stand import keep_logs
from blazz.cluster import operations
from blazz.cluster.tables import assignments
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from tests.cluster.faults.witness import Witness
from tests.support.cluster import ClusterStand, Counts, Number, Role, cluster_stand
from whatsim.network import Network

SCOPE = Platform("benchmark")
REQUESTER = operations.Requester(None, "cli")
_OPERATION_S = 180.0
_PER_WORKSPACE = 5


@contextlib.asynccontextmanager
async def cluster(name: str, *, instances: int, limit_s: float) -> AsyncIterator[ClusterStand]:
    """Run a cluster in a temporary directory with default settings.

    Everything ends after `limit_s` with TimeoutError; logs are kept in `build/benchmarks` when an error leaves.
    """
    with tempfile.TemporaryDirectory(prefix=f"blazz-{name}-", ignore_cleanup_errors=True) as directory:
        try:
            async with asyncio.timeout(limit_s), cluster_stand(Path(directory), instances=instances) as stand:
                yield stand
        except BaseException:
            keep_logs(Path(directory), name)
            raise


def tell(options: argparse.Namespace, text: str) -> None:
    """Say how far a long benchmark is, unless nothing but the result is wanted."""
    if not options.json:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


async def link(stand: ClusterStand, sessions: int) -> tuple[list[Number], Witness]:
    """Link `sessions` numbers, five to a workspace; from then on the network asks the witness about every login."""
    numbers = await stand.link_many(sessions, per_workspace=_PER_WORKSPACE, at_once=8)
    witness = Witness(stand)
    for number in numbers:
        witness.know(number)
    stand.network.watch_logins(witness)
    return numbers, witness


async def owned_by(stand: ClusterStand, role: Role, numbers: Sequence[Number]) -> list[Number]:
    """Return those of `numbers` that an instance owns now."""

    def read(tx: Tx) -> set[uuid.UUID]:
        rows = tx.all(select(assignments.c.id).where(assignments.c.instance_id == role.name))
        return {row["id"] for row in rows}

    ids = await stand.database.read(SCOPE, read)
    return [number for number in numbers if number.id in ids]


async def finished(stand: ClusterStand, operation: operations.Operation) -> operations.Operation:
    """Wait for the end of an operation. Raises TimeoutError."""
    async with asyncio.timeout(_OPERATION_S):
        while operation.state == "running":
            await asyncio.sleep(0.05)
            with contextlib.suppress(BlazzError):
                operation = await stand.database.read(SCOPE, operations.get, operation.id)
    return operation


async def even_out(stand: ClusterStand) -> operations.Operation:
    """Rebalance, as an operator does after an instance came back; returns the finished operation."""
    return await finished(stand, await stand.database.write(SCOPE, operations.rebalance, Settings(), REQUESTER))


@dataclass(slots=True)
class Load:
    """Writes through every chat in turn, both ways, at a steady pace from `async with` until its end.

    A message that the API does not take within a minute, however often it is asked, ends the benchmark.
    """

    stand: ClusterStand
    numbers: Sequence[Number]
    customers: Sequence[str]
    per_second: float
    seconds: float = 0.0
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Load:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        task, self._task = self._task, None
        assert task is not None
        self._ended.set()
        if kind is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            await task

    def check(self) -> None:
        """Raise what ended the load before its time."""
        if self._task is not None and self._task.done():
            self._task.result()
            raise RuntimeError("the load has ended")

    async def _run(self) -> None:
        began = time.monotonic()
        turn = 0
        async with asyncio.TaskGroup() as group:
            while not self._ended.is_set():
                number = self.numbers[turn % len(self.numbers)]
                customer = self.customers[turn % len(self.numbers) % len(self.customers)]
                group.create_task(self.stand.traffic.customer_writes(customer, number))
                group.create_task(self.stand.traffic.we_write(number, customer))
                turn += 1
                pause = began + turn / self.per_second - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), max(0.001, pause))
        self.seconds += time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without a login of a phone's linked device; moments of `time.monotonic()`."""

    phone: str
    began: float
    ended: float


class Outages:
    """What the network saw of each phone's linked device, from `async with` until its end."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._since: dict[str, tuple[bool, float]] = {}
        self._task: asyncio.Task[None] | None = None
        self.log: list[Outage] = []

    async def __aenter__(self) -> Outages:
        self._task = asyncio.create_task(self._run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def back(self, phones: Iterable[str], after: float, *, within_s: float) -> float:
        """Wait until each phone's device has logged in after the moment `after`; returns the last login's moment."""
        wanted = list(phones)
        deadline = time.monotonic() + within_s
        while True:
            seen = [self._since.get(phone, (False, 0.0)) for phone in wanted]
            missing = sum(not connected or moment <= after for connected, moment in seen)
            if not missing:
                return max((moment for _, moment in seen), default=after)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{missing} of {len(wanted)} numbers are not back after {within_s:.0f} s")
            assert self._task is not None
            if self._task.done():
                raise RuntimeError("the network's events came too fast to be followed")
            await asyncio.sleep(0.02)

    def during(self, phones: Iterable[str], began: float, ended: float) -> list[Outage]:
        """Return the outages of these phones that began in a span of time and are over."""
        wanted = set(phones)
        return [one for one in self.log if one.phone in wanted and began <= one.began <= ended]

    async def _run(self) -> None:
        async for event in self._network.subscribe():
            if event.kind != "link_changed" or event.phone is None:
                continue
            now, phone = time.monotonic(), event.phone.number
            connected = any(device.connected for device in event.phone.devices)
            before = self._since.get(phone)
            if before is None or before[0] != connected:
                if before is not None and connected:
                    self.log.append(Outage(phone, before[1], now))
                self._since[phone] = (connected, now)


def figures_of(counts: Counts, stand: ClusterStand, witness: Witness) -> dict[str, Any]:
    """Return what became of all serials, and how often a number had two owners as seen by the network.

    `double_owner` counts stanzas taken from a connection after a newer login of the same device, logins under a lower
    epoch than an earlier one, and logins that replaced the connection of a process that lives.
    """
    stats = stand.network.stats()
    return {
        "lost": len(counts.lost_in) + len(counts.lost_out) + len(counts.failed),
        "shown_twice": len(counts.doubled_in) + len(counts.doubled_out),
        "double_owner": stats.stanzas_from_older_connection + stats.logins_below_epoch + stats.replaced_living,
        "logins_with_known_epoch": sum(seen.epoch is not None for seen in witness.logins),
        "logins_with_unknown_epoch": sum(seen.epoch is None for seen in witness.logins),
        "sends_refused": _refused_sends(stand),
        "out_of_order_chats": len(counts.disordered),
        "messages_received": counts.sent_in,
        "messages_sent": counts.sent_out,
        "redeliveries": counts.redeliveries,
        "decrypt_failures": counts.decrypt_failures,
        "retries": counts.retries,
    }


def _refused_sends(stand: ClusterStand) -> int:
    """Return how many sends the gateways answered with anything but success, by their logs."""
    refused = 0
    for gateway in stand.gateways:
        for line in gateway.log.read_text(errors="replace").splitlines():
            sent = "method=POST" in line and "path=/api/v1/messages " in line
            refused += sent and "status=2" not in line
    return refused
