"""A cluster under fire: numbers and customers that write both ways all the time, cuts in between, and the counting.

```python
async with fire.cut("kill an instance") as cut:
    owner = await fire.busiest()
    await owner.kill("both")
    await cut.recovered(fire.numbers)
```

While the block runs, messages flow; at its end everything has to be well: each serial once and in order, every message
acknowledged, no gap in any log, one connected owner for each number, no stanza and no login of a former owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import func, select

from blazz.cluster.tables import cluster_moves, platform_events, platform_heads
from blazz.events.tables import event_heads, events
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.messaging.tables import messages, outbox
from tests.cluster.faults.record import CUTS, Cut
from tests.cluster.faults.witness import Witness
from tests.support.cluster import ClusterStand, Number, Role, cluster_stand
from tests.support.cluster.traffic import Traffic
from tests.support.waiting import eventually

Kind = Literal["postgresql", "mariadb"]
SCOPE = Platform("test")
LEASE_S = 6.0
_INSIST_S = 180.0
_SETTLE_S = 120.0


@dataclass
class Going:
    """A cut while it goes on."""

    fire: Fire
    name: str
    began: float = field(default_factory=time.monotonic)
    recovery_s: list[float] = field(default_factory=list)

    def started(self) -> None:
        """The cut happens now: recovery is counted from here."""
        self.began = time.monotonic()

    async def flow(self, count: int = 16, *, within_s: float = 90.0) -> None:
        """Wait until this many more messages went in on either side: a cut without traffic proves nothing."""
        traffic = self.fire.stand.traffic

        def passed() -> tuple[int, int]:
            return tuple(sum(map(len, bodies.values())) for bodies in (traffic.inbound, traffic.outbound))  # type: ignore[return-value]

        before = passed()
        await eventually(
            lambda: all(now >= then + count for now, then in zip(passed(), before, strict=True)),
            within_s=within_s,
            what=f"{count} messages each way",
        )

    async def recovered(self, numbers: Sequence[Number] | None = None, *, within_s: float = 60.0) -> float:
        """Wait until these numbers (all) are connected; returns and notes the seconds since the cut."""
        await self.fire.stand.connected(self.fire.numbers if numbers is None else numbers, within_s=within_s)
        seconds = time.monotonic() - self.began
        self.recovery_s.append(seconds)
        return seconds

    async def moved(self, numbers: Sequence[Number], away_from: Role, *, within_s: float = 60.0) -> float:
        """Wait until other instances have connected these numbers; returns and notes the seconds since the cut."""
        await self.fire.stand.moved(numbers, away_from, within_s=within_s)
        seconds = time.monotonic() - self.began
        self.recovery_s.append(seconds)
        return seconds


class Fire:
    """A running cluster with linked numbers; made by `fire_on`."""

    def __init__(self, stand: ClusterStand, kind: Kind) -> None:
        self.stand = stand
        self.kind = kind
        self.numbers: list[Number] = []
        self.witness = Witness(stand)
        self._spare: list[str] = []

    async def link(self, count: int) -> None:
        """Link this many numbers, each in a workspace of its own."""
        for number in await self.stand.link_many(count, at_once=4):
            self.witness.know(number)
            self.numbers.append(number)
        self.stand.network.watch_logins(self.witness)

    # -- finding ------------------------------------------------------------------------------------------------

    async def owned(self) -> dict[str, list[Number]]:
        """Return the numbers by the instance that owns them."""
        found: dict[str, list[Number]] = defaultdict(list)
        for number in self.numbers:
            owner = (await self.stand.assignment(number)).instance_id
            assert owner is not None
            found[owner].append(number)
        return found

    async def busiest(self) -> Role:
        """Return the instance with the most numbers."""
        owned = await self.owned()
        return self.stand.roles[max(owned, key=lambda name: len(owned[name]))]

    async def epochs(self) -> dict[str, tuple[str | None, int]]:
        """Return owner and epoch of each number, by account."""
        found = {}
        for number in self.numbers:
            row = await self.stand.assignment(number)
            found[number.account_id] = (row.instance_id, row.epoch)
        return found

    async def scalar(self, statement: Any) -> Any:
        """Return one value of the database."""
        return await self.stand.database.read(SCOPE, lambda tx: tx.scalar(statement))

    async def events_named(self, name: str) -> int:
        """Return how many platform events of a name there are."""
        return int(await self.scalar(select(func.count()).where(platform_events.c.name == name)))

    async def bring(self, numbers: Sequence[Number], role: Role) -> None:
        """Move the workspaces of these numbers to an instance, and wait until they are connected there."""
        stand = self.stand
        for number in numbers:
            body = {"workspace_id": str(number.workspace.id), "target_instance_id": role.name}
            await stand.api.insist("POST", "/admin/cluster/migrate", body, headers=stand.owner_headers)

        async def there() -> bool:
            owned = (await self.owned()).get(role.name, [])
            return all(number in owned for number in numbers)

        await eventually(there, within_s=60, every_s=0.2, what=f"{len(numbers)} numbers are on {role.name}")
        await stand.connected(numbers)

    # -- cutting ------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def cut(self, name: str, *, per_second: float = 8.0, customers: int = 1) -> AsyncIterator[Going]:
        """Let messages flow (`per_second` in each direction) while the block runs; then everything has to be well."""
        await self.heal()
        stand = self.stand
        stand.traffic = Traffic(stand)
        before = stand.network.stats()
        chats = [(number, await self._customer()) for number in self.numbers for _ in range(customers)]
        going = Going(self, name)
        stop = asyncio.Event()
        pause_s = len(chats) / per_second
        try:
            async with asyncio.TaskGroup() as group:
                for number, customer in chats:
                    group.create_task(self._repeat(stop, pause_s, self._customer_writes(number, customer)))
                    group.create_task(self._repeat(stop, pause_s, self._we_write(number, customer)))
                try:
                    await going.flow()
                    yield going
                    await going.flow()
                finally:
                    stop.set()
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
            first.add_note(await self._story(stand.traffic.began))
            raise first from None
        counts = await stand.traffic.complete(within_s=_SETTLE_S)
        stats = stand.network.stats()
        done = Cut(
            name=name,
            database=self.kind,
            sent=counts.sent_out,
            received=counts.sent_in,
            lost=len(counts.lost_in) + len(counts.lost_out),
            doubled=len(counts.doubled_in) + len(counts.doubled_out),
            redelivered=counts.redeliveries,
            decrypt_failures=stats.decrypt_failures - before.decrypt_failures,
            retries=stats.retry_requests - before.retry_requests,
            recovery_s=tuple(going.recovery_s),
        )
        CUTS.append(done)
        print(done)  # the raw figures, shown beside a failure
        try:
            counts.expect_nothing_lost()
        except AssertionError as error:
            error.add_note(await self._story(stand.traffic.began))
            raise
        await self.all_is_well()

    async def heal(self) -> None:
        """Bring back what an earlier test left cut."""
        stand = self.stand
        for role in stand.roles.values():
            role.thaw()
        await asyncio.gather(*(role.start() for role in stand.roles.values() if not role.running))
        for name, member in (await stand.members()).items():
            if member.state == "draining":
                path = f"/admin/cluster/instances/{name}/resume"
                await stand.api.insist("POST", path, headers=stand.owner_headers)
        await stand.connected(self.numbers, within_s=90)

    async def _story(self, since: dt.datetime) -> str:
        """Return what an engineer wants to see beside a failure: who owns what, and what the roles logged."""
        stand, first = self.stand, f"{since:%Y-%m-%dT%H:%M:%S}"
        lines: list[str] = []
        with contextlib.suppress(BlazzError):
            lines += [f"{one.phone}: {await stand.status(one)}, {await stand.assignment(one)}" for one in self.numbers]
        for role in stand.roles.values():
            logged = role.log.read_text(errors="replace").splitlines()
            lines += [f"--- {role.name}", *(line for line in logged if line[:19] >= first and " request " not in line)]
        return "\n".join(line[:400] for line in lines)

    # -- judging ------------------------------------------------------------------------------------------------

    async def all_is_well(self) -> None:
        """Fail unless the database, the network and the processes agree on a healthy whole."""
        await eventually(self._acknowledged, within_s=60, every_s=0.2, what="every message is acknowledged")
        await self.no_gaps()
        await self.stand.connected(self.numbers)
        try:
            await eventually(self._one_owner_each, within_s=20, every_s=0.2, what="one engine host has each number")
        except AssertionError as error:
            error.add_note(f"stores open: {self._open_stores()}\nowners: {await self.epochs()}")
            raise
        epochs = await self.epochs()
        for number in self.numbers:
            seen = [(one.instance, one.epoch) for one in self.witness.logins if one.number == number.phone]
            name, epoch = epochs[number.account_id]
            # an engine host may have closed a store's file for a moment: then the epoch is not to be seen
            known = seen[-1:] in ([], [(name, epoch)], [(name, None)])
            assert known, f"{number.phone} is {name}'s under {epoch}; it logged in under {seen[-6:]}"
        told = [one.epoch is not None for one in self.witness.logins]
        assert sum(told) * 2 >= len(told), "the witness has to see the epochs of most logins"
        stats = self.stand.network.stats()
        assert stats.stanzas_from_older_connection == 0
        assert stats.logins_below_epoch == 0, f"a login under a lower epoch: {self.witness.logins[-20:]}"
        assert stats.replaced_living == 0, f"a living connection was replaced: {self.witness.logins[-20:]}"

    async def no_gaps(self) -> None:
        """Fail when positions of a workspace's log or of the platform's are not 1..n."""

        def read(tx: Tx) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
            counted = select(events.c.workspace_id, func.count(), func.max(events.c.position), event_heads.c.head)
            counted = counted.join(event_heads, event_heads.c.workspace_id == events.c.workspace_id)
            rows = tx.all(counted.group_by(events.c.workspace_id, event_heads.c.head))
            platform = tx.one(select(func.count(), func.max(platform_events.c.position)).select_from(platform_events))
            assert platform is not None
            head = tx.scalar(select(platform_heads.c.head))
            return [tuple(row.values()) for row in rows], (*platform.values(), head)

        logs, platform = await self.stand.database.read(SCOPE, read)
        assert logs
        assert all(count == highest == head for _, count, highest, head in logs), f"gaps in logs: {logs}"
        assert len(set(platform)) == 1, f"gaps in the platform's log: {platform}"

    async def _acknowledged(self) -> bool:
        states = select(func.count()).where(messages.c.from_me.is_(True), messages.c.state.in_(("pending", "failed")))
        with contextlib.suppress(BlazzError):
            return not await self.scalar(states) and not await self.scalar(select(func.count()).select_from(outbox))
        return False

    async def _one_owner_each(self) -> bool:
        """Whether no engine host but the owner's has a number's store open, and that under the owner's epoch."""
        found = self._open_stores()
        epochs = await self.epochs()
        return all(found.get(account, [owner]) == [owner] for account, owner in epochs.items())

    def _open_stores(self) -> dict[str, list[tuple[str | None, int]]]:
        """Return by account which instances' engine hosts have its store open, and under which epoch."""
        found: dict[str, list[tuple[str | None, int]]] = defaultdict(list)
        for role in self.stand.instances:
            pid = role.find_engine()
            if pid is not None:
                for account, epoch in self.witness.epochs_open(pid).items():
                    found[account].append((role.name, epoch))
        return dict(found)

    # -- traffic ------------------------------------------------------------------------------------------------

    async def _customer(self) -> str:
        return await self.stand.customer()

    def _customer_writes(self, number: Number, customer: str) -> Callable[[], Awaitable[None]]:
        return lambda: self.stand.traffic.customer_writes(customer, number)

    def _we_write(self, number: Number, customer: str) -> Callable[[], Awaitable[None]]:
        return lambda: self.stand.traffic.we_write(number, customer, within_s=_INSIST_S)

    @staticmethod
    async def _repeat(stop: asyncio.Event, pause_s: float, write: Callable[[], Awaitable[None]]) -> None:
        while not stop.is_set():
            await write()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)


@contextlib.asynccontextmanager
async def fire_on(
    kind: Kind,
    directory: Path,
    *,
    instances: int = 4,
    numbers: int = 8,
    gateways: int = 2,
    workers: int = 2,
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[Fire]:
    """Start a cluster on a server of this kind and link numbers. `settings` are `BLAZZ_*` variables of all roles."""
    async with cluster_stand(
        directory, instances=instances, gateways=gateways, workers=workers, server_kind=kind, **(settings or {})
    ) as stand:
        fire = Fire(stand, kind)
        await fire.link(numbers)
        yield fire


def moves_of(*, reason: str) -> Any:
    """Return a statement that counts moves."""
    return select(func.count()).where(cluster_moves.c.reason == reason)
