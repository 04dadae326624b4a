"""Commands to sessions of other processes: find the owner, ask it, and once more if it was the wrong one."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TypeVar

import structlog

from blazz.cluster import wire
from blazz.cluster.commands import ChatState, OnWhatsApp, PairingCode, QrView
from blazz.cluster.internal_client import InternalClient, NothingDone
from blazz.cluster.remote_groups import RemoteGroups
from blazz.cluster.remote_pairing import RemotePairing
from blazz.cluster.remote_people import RemotePeople
from blazz.cluster.routing import Owner, OwnerDirectory
from blazz.kit.errors import BlazzError, conflict, invalid, unavailable

_log = structlog.get_logger(__name__)
_A = TypeVar("_A", bound=wire.Body)
_CALL_S = 29.5  # the contract promises 30 s
_QUICK_S = 5.0  # what a person waits for, or nobody does
_QUEUE_LOOK_S = 30  # room comes when somebody makes it
_NOT_RUNNING = "session_not_running"


class RemoteCommands(RemoteGroups, RemotePeople, RemotePairing):
    """Implements `cluster.commands.SessionCommands` with signed HTTP to whichever instance owns the session.

    The directory and the client stay the caller's: it starts, stops and closes them.
    """

    def __init__(
        self, directory: OwnerDirectory, client: InternalClient, *, call_s: float = _CALL_S, quick_s: float = _QUICK_S
    ) -> None:
        self._directory = directory
        self._client = client
        self._call_s = call_s
        self._quick_s = min(quick_s, call_s)

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None:
        """Start the session (the assignment says `running`); a fresh QR cycle when it is not linked."""
        await self._call(account_id, "connect", wire.Connect(use_qr=use_qr), wire.Done)

    async def disconnect(self, account_id: uuid.UUID) -> None:
        """Stop the session and keep its pairing."""
        await self._call(account_id, "disconnect", wire.Command(), wire.Done, ends=True)

    async def log_out(self, account_id: uuid.UUID) -> None:
        """Remove the pairing at WhatsApp and here, as far as WhatsApp can be reached."""
        await self._call(account_id, "log_out", wire.Command(), wire.Done)

    async def pairing_code(self, account_id: uuid.UUID, phone: str) -> PairingCode:
        """Start a code pairing for `phone` (E.164 with plus) and return the code."""
        return (await self._call(account_id, "pairing_code", wire.AskPairingCode(phone=phone), wire.Code)).view()

    async def qr(self, account_id: uuid.UUID) -> QrView | None:
        """Return the code shown now, or None."""
        try:
            shown = await self._call(account_id, "qr", wire.Command(), wire.ShownQr, quick=True)
        except BlazzError as error:
            if error.code == _NOT_RUNNING:
                return None
            raise
        return None if shown.qr is None else shown.qr.view()

    async def typing(self, account_id: uuid.UUID, address: str, state: ChatState) -> None:
        """Show the customer that somebody types. Best effort."""
        body = wire.Typing(address=address, state=state)
        try:
            await self._call(account_id, "typing", body, wire.Done, quick=True)
        except BlazzError as error:
            _log.debug("typing not shown", code=error.code)

    async def mark_read(
        self, account_id: uuid.UUID, address: str, author: str, wa_message_ids: list[str], at: dt.datetime
    ) -> None:
        """Send read receipts (at most 100 ids) to WhatsApp."""
        body = wire.MarkRead(address=address, author=author, wa_message_ids=wa_message_ids[: wire.PER_CALL], at=at)
        await self._call(account_id, "mark_read", body, wire.Done)

    async def on_whatsapp(self, account_id: uuid.UUID, phones: list[str]) -> list[OnWhatsApp]:
        """Ask WhatsApp about up to 100 phone numbers."""
        if not 1 <= len(phones) <= wire.PER_CALL:
            raise invalid(f"Between 1 and {wire.PER_CALL} phone numbers can be asked about.")
        found = await self._call(account_id, "on_whatsapp", wire.AskOnWhatsApp(phones=phones), wire.AllRegistered)
        return [entry.view() for entry in found.results]

    async def _call(
        self,
        account_id: uuid.UUID,
        name: str,
        body: wire.Command,
        answer: type[_A],
        *,
        quick: bool = False,
        ends: bool = False,
    ) -> _A:
        """Ask the owner; `ends`: the command asks for what is so anyway when the owner is gone."""
        within_s = self._quick_s if quick else self._call_s
        until = asyncio.get_running_loop().time() + within_s
        owner = await self._owner(account_id, within_s, ends=ends)
        try:
            return await self._ask(owner, account_id, name, body, answer, until)
        except NothingDone as first:
            # hints may be late or lost; what the database says now is worth a second attempt if it is another place
            self._directory.forget(account_id, owner)
            now = await self._owner(account_id, until - asyncio.get_running_loop().time(), ends=ends)
            if now == owner:
                raise _moving(owner, first) from None
            owner = now
        try:
            return await self._ask(owner, account_id, name, body, answer, until)
        except NothingDone as second:
            self._directory.forget(account_id, owner)
            raise _moving(owner, second) from None

    async def _owner(self, account_id: uuid.UUID, within_s: float, *, ends: bool) -> Owner:
        try:
            async with asyncio.timeout(within_s):
                owner = await self._directory.find(account_id)
        except TimeoutError:
            raise unavailable("database_unavailable", "The database does not tell where this number is.") from None
        if owner is None or (ends and not owner.reachable):
            raise conflict(_NOT_RUNNING, "This number is not running. Connect it first.")
        if not owner.reachable and owner.waiting is not None:
            raise _waiting(owner.waiting)
        if not owner.reachable:
            how = "has stopped" if owner.state == "stopped" else "does not answer any more"
            raise unavailable(
                "owner_unreachable",
                f"Instance {owner.instance_id} of this number {how}; the number moves to another instance as soon as "
                "one has room. Try again in a few seconds.",
                retry_after_s=5,
            )
        return owner

    async def _ask(
        self, owner: Owner, account_id: uuid.UUID, name: str, body: wire.Command, answer: type[_A], until: float
    ) -> _A:
        try:
            return await self._client.call(
                owner.url,
                owner.receiver,
                f"{wire.PREFIX}/sessions/{account_id}/{name}",
                body.model_copy(update={"epoch": owner.epoch}),
                answer,
                within_s=max(0.0, until - asyncio.get_running_loop().time()),
            )
        except NothingDone:
            raise
        except BlazzError as error:
            if error.code in ("owner_unreachable", "answer_not_signed"):
                self._directory.forget(account_id, owner)  # whoever asks next asks the database first
            raise


def _waiting(reason: str) -> BlazzError:
    return unavailable(
        "account_waiting_for_capacity",
        f"This number waits for room on another instance, since its own is gone. {reason} It connects by itself as "
        "soon as there is room; what is queued for it leaves then.",
        retry_after_s=_QUEUE_LOOK_S,
    )


def _moving(owner: Owner, cause: NothingDone) -> BlazzError:
    if cause.code == "owner_unreachable":
        return BlazzError(cause.code, cause.detail, cause.status, headers=cause.headers)
    return unavailable(
        "owner_unreachable",
        f"This number is just moving away from or to instance {owner.instance_id}. Try again in a few seconds.",
    )
