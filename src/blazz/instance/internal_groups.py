"""Commands about groups on the internal HTTP interface of an instance."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path

from blazz.cluster.group_commands import GroupCommands
from blazz.cluster.remote_groups import AskGroups, GroupsAnswer
from blazz.instance.internal_people import OwnershipOf

_Account = Annotated[uuid.UUID, Path()]


def group_commands(commands: GroupCommands, ours: OwnershipOf) -> APIRouter:
    """Return the routes, to be included beneath `/sessions/{account_id}`."""
    router = APIRouter()

    @router.post("/groups")
    async def groups(account_id: _Account, body: AskGroups) -> GroupsAnswer:
        await ours(account_id, body)
        return GroupsAnswer(body=await commands.ask_groups(account_id, body.method, body.body))

    return router
