"""Commands about groups to sessions of other processes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from blazz.cluster import wire
from blazz.cluster.remote_people import _Caller


class AskGroups(wire.Command):
    """`GroupCommands.ask_groups`."""

    method: str = Field(max_length=40)
    body: dict[str, Any]


class GroupsAnswer(wire.Body):
    """The answer to `AskGroups`."""

    body: dict[str, Any]


class RemoteGroups:
    """Implements `GroupCommands` for `RemoteCommands`."""

    async def ask_groups(self: _Caller, account_id: uuid.UUID, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of the engine contract's service `Groups`."""
        asked = AskGroups(method=method, body=dict(body))
        return (await self._call(account_id, "groups", asked, GroupsAnswer)).body
