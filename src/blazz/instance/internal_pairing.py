"""Commands about passkeys on the internal HTTP interface of an instance."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path

from blazz.cluster import wire, wire_pairing
from blazz.cluster.pairing_commands import PairingCommands

_Account = Annotated[uuid.UUID, Path()]
OwnershipOf = Callable[[uuid.UUID, wire.Command], Awaitable[None]]
"""Raises BlazzError `not_owner` when the session is not ours."""


def pairing_commands(commands: PairingCommands, ours: OwnershipOf) -> APIRouter:
    """Return the routes, to be included beneath `/sessions/{account_id}`."""
    router = APIRouter()

    @router.post("/passkey")
    async def passkey(account_id: _Account, body: wire.Command) -> wire_pairing.ShownPasskey:
        await ours(account_id, body)
        shown = await commands.passkey(account_id)
        return wire_pairing.ShownPasskey(passkey=None if shown is None else wire_pairing.Passkey.model_validate(shown))

    @router.post("/answer_passkey")
    async def answer_passkey(account_id: _Account, body: wire_pairing.AnswerPasskey) -> wire.Done:
        await ours(account_id, body)
        await commands.answer_passkey(account_id, body.credential)
        return wire.Done()

    @router.post("/confirm_passkey")
    async def confirm_passkey(account_id: _Account, body: wire.Command) -> wire.Done:
        await ours(account_id, body)
        await commands.confirm_passkey(account_id)
        return wire.Done()

    return router
