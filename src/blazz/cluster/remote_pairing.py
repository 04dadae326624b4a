"""Commands about passkeys to sessions of other processes."""

from __future__ import annotations

import uuid
from typing import Protocol, TypeVar

from blazz.cluster import wire, wire_pairing
from blazz.cluster.pairing_commands import PasskeyView
from blazz.kit.errors import BlazzError

_A = TypeVar("_A", bound=wire.Body)


class _Caller(Protocol):
    async def _call(
        self,
        account_id: uuid.UUID,
        name: str,
        body: wire.Command,
        answer: type[_A],
        *,
        quick: bool = False,
        ends: bool = False,
    ) -> _A: ...


class RemotePairing:
    """Implements `PairingCommands` for `RemoteCommands`."""

    async def passkey(self: _Caller, account_id: uuid.UUID) -> PasskeyView | None:
        """Return what WhatsApp waits for now, or None."""
        try:
            shown = await self._call(account_id, "passkey", wire.Command(), wire_pairing.ShownPasskey, quick=True)
        except BlazzError as error:
            if error.code == "session_not_running":
                return None
            raise
        return None if shown.passkey is None else shown.passkey.view()

    async def answer_passkey(self: _Caller, account_id: uuid.UUID, credential: str) -> None:
        """Hand the authenticator's answer (AuthenticationResponseJSON) to WhatsApp."""
        await self._call(account_id, "answer_passkey", wire_pairing.AnswerPasskey(credential=credential), wire.Done)

    async def confirm_passkey(self: _Caller, account_id: uuid.UUID) -> None:
        """Say that the phone shows the same code."""
        await self._call(account_id, "confirm_passkey", wire.Command(), wire.Done)
