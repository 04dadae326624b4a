"""What can be asked of the instance that owns a session. Rooms above know this contract, not the place."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Literal, Protocol

from blazz.cluster.group_commands import GroupCommands
from blazz.cluster.pairing_commands import PairingCommands
from blazz.cluster.people_commands import PeopleCommands
from blazz.kit.errors import BlazzError

ChatState = Literal["composing", "recording", "paused"]


@dataclass(frozen=True, slots=True)
class QrView:
    """The QR code that is valid now. `number` counts from 1 to 6."""

    code: str
    number: int
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PairingCode:
    """The 8 characters (`XXXX-XXXX`) to type on the phone."""

    code: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class OnWhatsApp:
    """Whether a phone number (E.164 with plus) is registered, and under which addresses."""

    phone: str
    registered: bool
    jid: str | None
    lid: str | None


def not_owner(account_id: uuid.UUID, epoch: int | None, generation: int) -> BlazzError:
    """409: the instance that was asked, in this generation, does not own the session; `epoch` is the present one."""
    return BlazzError(
        "not_owner",
        f"This instance does not own session {account_id}.",
        409,
        members={"epoch": epoch, "generation": generation},
    )


class SessionCommands(GroupCommands, PeopleCommands, PairingCommands, Protocol):
    """Commands to a session's owner. Every call raises BlazzError: `session_not_running` (409), `engine_unavailable`
    (503) or a code of its own; none takes longer than 30 s.

    Where the owner is another process: `owner_unreachable` (503) too, and `account_waiting_for_capacity` (503) while
    the number waits in the queue of those that fit on no instance. That process itself answers `not_owner` (409) for a
    session that it does not own, which never reaches the caller of this contract.
    """

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None:
        """Start the session (the assignment says `running`); a fresh QR cycle when it is not linked."""

    async def disconnect(self, account_id: uuid.UUID) -> None:
        """Stop the session and keep its pairing."""

    async def log_out(self, account_id: uuid.UUID) -> None:
        """Remove the pairing at WhatsApp and here, as far as WhatsApp can be reached."""

    async def pairing_code(self, account_id: uuid.UUID, phone: str) -> PairingCode:
        """Start a code pairing for `phone` (E.164 with plus) and return the code."""

    async def qr(self, account_id: uuid.UUID) -> QrView | None:
        """Return the code shown now, or None."""

    async def typing(self, account_id: uuid.UUID, address: str, state: ChatState) -> None:
        """Show the customer that somebody types. Best effort."""

    async def mark_read(
        self,
        account_id: uuid.UUID,
        address: str,
        author: str,
        wa_message_ids: list[str],
        at: dt.datetime,
    ) -> None:
        """Send read receipts (at most 100 ids) to WhatsApp."""

    async def on_whatsapp(self, account_id: uuid.UUID, phones: list[str]) -> list[OnWhatsApp]:
        """Ask WhatsApp about up to 100 phone numbers."""
