"""Commands about people on the internal HTTP interface of an instance."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path

from blazz.cluster import wire, wire_people
from blazz.cluster.people_commands import PeopleCommands

_Account = Annotated[uuid.UUID, Path()]
OwnershipOf = Callable[[uuid.UUID, wire.Command], Awaitable[None]]
"""Raises BlazzError `not_owner` when the session is not ours."""


def people_commands(commands: PeopleCommands, ours: OwnershipOf) -> APIRouter:
    """Return the routes, to be included beneath `/sessions/{account_id}`."""
    router = APIRouter()

    @router.post("/refresh_contact")
    async def refresh_contact(account_id: _Account, body: wire_people.OfContact) -> wire.Done:
        await ours(account_id, body)
        await commands.refresh_contact(account_id, body.contact_id)
        return wire.Done()

    @router.post("/set_blocked")
    async def set_blocked(account_id: _Account, body: wire_people.SetBlocked) -> wire.Done:
        await ours(account_id, body)
        await commands.set_blocked(account_id, body.address, blocked=body.blocked)
        return wire.Done()

    @router.post("/sync_blocks")
    async def sync_blocks(account_id: _Account, body: wire.Command) -> wire.Done:
        await ours(account_id, body)
        await commands.sync_blocks(account_id)
        return wire.Done()

    @router.post("/refresh_profile")
    async def refresh_profile(account_id: _Account, body: wire.Command) -> wire.Done:
        await ours(account_id, body)
        await commands.refresh_profile(account_id)
        return wire.Done()

    @router.post("/set_profile")
    async def set_profile(account_id: _Account, body: wire_people.SetProfile) -> wire.Done:
        await ours(account_id, body)
        await commands.set_profile(account_id, body.change())
        return wire.Done()

    @router.post("/privacy")
    async def privacy(account_id: _Account, body: wire_people.ChangePrivacy) -> wire_people.Privacy:
        await ours(account_id, body)
        return wire_people.Privacy(settings=await commands.privacy(account_id, body.changes))

    @router.post("/watch_chat")
    async def watch_chat(account_id: _Account, body: wire_people.WatchChat) -> wire.Done:
        await ours(account_id, body)
        await commands.watch_chat(account_id, body.address, body.contact_id)
        return wire.Done()

    return router
