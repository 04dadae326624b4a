"""A cluster without processes: real rows and transactions, a clock that the test moves, instances that obey a lease."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, insert, select

from blazz.accounts import service as accounts
from blazz.accounts.tables import accounts as accounts_table
from blazz.cluster import service as cluster
from blazz.cluster.controller import Controller
from blazz.cluster.tables import assignments, cluster_moves, cluster_operations, instances, platform_events
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces.tables import workspaces

SCOPE = Platform("test")
LEASE_S = 6.0
SETTINGS = Settings(n_minus_one="off", lease_s=LEASE_S)


class Clock:
    """Boot time as the test wants it, in nanoseconds."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@dataclass
class Member:
    """An instance as the rules of the lease make it: it serves what it owns until its deadline."""

    stage: Stage
    registration: cluster.Registration
    deadline_ns: int = 0
    serving: dict[uuid.UUID, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.registration.instance_id

    @property
    def live(self) -> bool:
        """Whether its engine host may still speak."""
        return self.stage.clock.now_ns < self.deadline_ns

    async def renew(self) -> str:
        """Renew as `sessions.lease` does; returns the outcome."""
        before = self.stage.clock.now_ns
        database = self.stage.database
        if not self.live:
            self.serving.clear()  # the engine host ended at its deadline
        renewal = await database.write(SCOPE, cluster.renew, self.registration)
        if renewal.outcome == "dead" and not await database.write(SCOPE, cluster.rejoin, self.registration):
            return "fenced"
        if renewal.outcome == "fenced":
            return "fenced"
        self.deadline_ns = before + int(LEASE_S * 1e9)
        await self.reconcile()
        return renewal.outcome

    async def reconcile(self) -> None:
        """Serve exactly what is ours, handing over what is to move."""
        me = self.registration
        specs = await self.stage.database.read(SCOPE, accounts.sessions_to_run, me.instance_id, me.generation)
        self.serving = {spec.account_id: spec.epoch for spec in specs}
        for spec in specs:
            if spec.move_to is not None:
                given = await self.stage.database.write(
                    Workspace(spec.workspace_id),
                    cluster.hand_over,
                    spec.workspace_id,
                    spec.account_id,
                    spec.epoch,
                    utc_now(),
                )
                if given is not None:
                    del self.serving[spec.account_id]


@dataclass
class Stage:
    """Instances and controllers on one database."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    settings: Settings = SETTINGS
    members: dict[str, Member] = field(default_factory=dict)
    workspaces: int = 0

    async def workspace(self, priority: int = 0) -> uuid.UUID:
        self.workspaces += 1
        number = self.workspaces
        workspace_id = uuid.uuid5(uuid.NAMESPACE_OID, str(number))
        row = {"id": workspace_id, "number": number, "name": f"W{number}", "timezone": "UTC", "default_country": "ID"}

        def add(tx: Tx) -> None:
            more = {"settings": {}, "priority": priority, "created_at": utc_now()}
            tx.execute(insert(workspaces), {**row, **more})

        await self.database.write(SCOPE, add)
        return workspace_id

    async def join(self, name: str, capacity: int = 100, **facts: Any) -> Member:
        """Start an instance, or start it again."""
        facts = {"host": f"machine:{name}", **facts}
        registration = await self.database.write(SCOPE, cluster.register, cluster.Member(name, capacity, "1", **facts))
        member = self.members[name] = Member(self, registration)
        await member.renew()
        return member

    async def session(self, workspace_id: uuid.UUID) -> uuid.UUID:
        """Add an account and want it running."""
        row = await self.database.write(Workspace(workspace_id), accounts.create, "Number")
        account_id = uuid.UUID(str(row["id"]))
        await cluster.place(self.database, self.settings, workspace_id, account_id)
        return account_id

    async def fill(self, name: str, count: int) -> list[uuid.UUID]:
        """Give an instance as many workspaces with one session each, all at once."""
        numbers = range(self.workspaces + 1, self.workspaces + count + 1)
        self.workspaces += count
        ids = [uuid.uuid5(uuid.NAMESPACE_OID, str(number)) for number in numbers]
        same = {"timezone": "UTC", "default_country": "ID", "settings": {}, "priority": 0, "created_at": utc_now()}
        owned = {"instance_id": name, "generation": 1, "epoch": 1, "wanted": "running", "assigned_at": utc_now()}
        number = {"name": "Number", "provider": "whatsapp_web", "status": "disconnected", "status_since": utc_now()}
        number |= {"is_primary": False, "qr_starts": [], "session_restore_count": 0, "created_at": utc_now()}
        owned |= {"previous_closed": True, "migration_count": 0}

        def add(tx: Tx) -> None:
            rows = zip(ids, numbers, strict=True)
            tx.execute(insert(workspaces), [{"id": key, "number": n, "name": f"W{n}", **same} for key, n in rows])
            tx.execute(insert(accounts_table), [{"id": key, "workspace_id": key, **number} for key in ids])
            tx.execute(insert(assignments), [{"id": key, "workspace_id": key, **owned} for key in ids])

        await self.database.write(SCOPE, add)
        return ids

    def controller(self, name: str = "worker") -> Controller:
        return Controller(self.database, self.settings, name, clock=self.clock)

    async def watch(self, controller: Controller, seconds: float, *living: Member, step_s: float = 0.5) -> None:
        """Let time pass: the living renew, the controller looks."""
        passed = 0.0
        while passed < seconds:
            self.clock.advance(step_s)
            passed += step_s
            for member in living:
                await member.renew()
            while await controller.look():
                pass

    # -- what is stored -----------------------------------------------------------------------------------------

    async def assignment(self, account_id: uuid.UUID) -> RowMapping:
        row = await self.database.read(
            SCOPE, lambda tx: tx.one(select(assignments).where(assignments.c.id == account_id))
        )
        assert row is not None
        return row

    async def owners(self) -> dict[uuid.UUID, str]:
        rows = await self.database.read(SCOPE, lambda tx: tx.all(select(assignments)))
        return {row["id"]: row["instance_id"] for row in rows if row["wanted"] == "running"}

    async def instance(self, name: str) -> RowMapping:
        row = await self.database.read(SCOPE, lambda tx: tx.one(select(instances).where(instances.c.id == name)))
        assert row is not None
        return row

    async def moves(self) -> list[RowMapping]:
        return list(await self.database.read(SCOPE, lambda tx: tx.all(select(cluster_moves))))

    async def operations(self) -> list[RowMapping]:
        order = (cluster_operations.c.created_at, cluster_operations.c.id)
        return list(await self.database.read(SCOPE, lambda tx: tx.all(select(cluster_operations).order_by(*order))))

    async def events(self) -> list[RowMapping]:
        order = platform_events.c.position
        return list(await self.database.read(SCOPE, lambda tx: tx.all(select(platform_events).order_by(order))))
