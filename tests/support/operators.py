"""An installation with instances that exist only as rows, and an administrator who steers it through the API."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from blazz.accounts import service as accounts
from blazz.cluster import assignment
from blazz.cluster import service as cluster
from blazz.cluster.controller import Controller
from blazz.kit.db import Platform, Workspace
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from tests.support.app import Person, Running
from tests.support.waiting import eventually

TEST = Platform("test")
PATH = "/admin/cluster"
MACHINE = {"cores": 4, "memory_bytes": 8 * 10**9}


@dataclass
class Stand:
    """An application with two instances, an administrator, and a controller that looks when it is told to."""

    running: Running
    admin: Person
    settings: Settings

    async def register(self, name: str, capacity: int = 5) -> cluster.Registration:
        member = cluster.Member(name, capacity, "1.2.3", url=f"http://{name}", machine=MACHINE)
        return await self.running.database.write(TEST, cluster.register, member)

    async def number(self, workspace_id: uuid.UUID | None = None) -> uuid.UUID:
        """A number of the administrator's workspace that is wanted running."""
        workspace = workspace_id or self.admin.workspace_id
        row = await self.running.database.write(Workspace(workspace), accounts.create, None)
        await assignment.place(self.running.database, self.settings, workspace, row["id"])
        return uuid.UUID(str(row["id"]))

    async def see(self, path: str = "", **parameters: Any) -> Any:
        answer = await self.admin.get(PATH + path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, path: str, body: Any = None, status: int = 202) -> Any:
        answer = await self.admin.post(PATH + path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def lead(self) -> Controller:
        """A controller that leads."""
        controller = Controller(self.running.database, self.settings, "worker-test")

        async def leads() -> bool:
            await controller.look()
            return controller.leading

        await eventually(leads)
        return controller

    async def hand_over(self, owner: str) -> int:
        """What the owner of sessions does when it is told to move them; returns how many moved."""
        mine = await self.running.database.read(TEST, cluster.running_on, owner)
        for one in [one for one in mine if one.move_to is not None]:
            arguments = (one.workspace_id, one.account_id, one.epoch, utc_now())
            moved = await self.running.database.write(TEST, assignment.hand_over, *arguments)
            assert moved is not None
            await self.running.database.write(
                TEST, assignment.note_connected, one.workspace_id, one.account_id, moved.epoch
            )
        return sum(one.move_to is not None for one in mine)

    @classmethod
    async def of(cls, running: Running, admin: Person) -> Stand:
        """The installation with `instance-a` and `instance-b`, five places each."""
        # rows do not renew: nobody shall be given up for that
        made = cls(running, admin, Settings(n_minus_one="off", placement_strategy="least_loaded", lease_s=600))
        for name in ("instance-a", "instance-b"):
            await made.register(name)
        return made
