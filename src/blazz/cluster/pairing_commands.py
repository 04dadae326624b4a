"""What can be asked of the instance that owns a session whose linking needs a passkey."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Literal, Protocol

PasskeyStep = Literal["challenge", "answered", "confirm"]


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """How far the linking with a passkey is.

    `challenge`: the authenticator's answer to `options` (PublicKeyCredentialRequestOptions as JSON) is awaited;
    `answered`: WhatsApp looks at it; `confirm`: somebody must see that the phone shows `code` too.
    """

    step: PasskeyStep
    options: dict[str, Any]
    code: str | None
    expires_at: dt.datetime


class PairingCommands(Protocol):
    """The part of `SessionCommands` that is about passkeys; errors as told there, and `no_passkey` (409)."""

    async def passkey(self, account_id: uuid.UUID) -> PasskeyView | None:
        """Return what WhatsApp waits for now, or None."""

    async def answer_passkey(self, account_id: uuid.UUID, credential: str) -> None:
        """Hand the authenticator's answer (AuthenticationResponseJSON) to WhatsApp."""

    async def confirm_passkey(self, account_id: uuid.UUID) -> None:
        """Say that the phone shows the same code."""
