"""Commands to sessions of this very process: what the gateway calls when instance and gateway run together."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from blazz.accounts import service as accounts
from blazz.cluster.commands import ChatState, OnWhatsApp, PairingCode, QrView
from blazz.cluster.pairing_commands import PasskeyView
from blazz.cluster.people_commands import ProfileChange
from blazz.engine_client import (
    EngineError,
    EngineGone,
    NotConnected,
    NotLinked,
    NotRunning,
    Refused,
    UnknownOutcome,
)
from blazz.kit.db import Database, Platform
from blazz.kit.errors import BlazzError, conflict, invalid, not_found, unavailable
from blazz.kit.time import utc_now
from blazz.sessions.groups import GroupKeeper
from blazz.sessions.people import People
from blazz.sessions.presence import PresenceKeeper
from blazz.sessions.registry import Session
from blazz.sessions.supervisor import Supervisor
from blazz.sessions.transitions import Verdict

_T = TypeVar("_T")
_LIMIT_S = 28.0  # the contract promises 30 s
_CODE_LIFE = dt.timedelta(seconds=160)  # WhatsApp ends a linking after about this time
_PER_CALL = 100
_UNREACHED = "Logged out here; WhatsApp could not be reached, so remove the device on the phone too."
_USER = Verdict("disconnected", "user_initiated", None, final=True)


class InProcessCommands:
    """Implements `cluster.commands.SessionCommands` on the supervisor of this process."""

    def __init__(
        self,
        database: Database,
        supervisor: Supervisor,
        people: People,
        presence: PresenceKeeper,
        groups: GroupKeeper,
    ) -> None:
        self._database = database
        self._supervisor = supervisor
        self._people = people
        self._presence = presence
        self._groups = groups

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None:
        """Start the session (the assignment says `running`); a fresh QR cycle when it is not linked."""
        await self._locked(account_id, lambda: self._connect(account_id, use_qr=use_qr))

    async def disconnect(self, account_id: uuid.UUID) -> None:
        """Stop the session and keep its pairing."""

        async def act() -> None:
            session = self._supervisor.registry.get(account_id)
            if session is not None:
                await self._supervisor.end(session, _USER)

        await self._locked(account_id, act)

    async def log_out(self, account_id: uuid.UUID) -> None:
        """Remove the pairing at WhatsApp and here, as far as WhatsApp can be reached."""
        await self._locked(account_id, lambda: self._log_out(account_id))

    async def pairing_code(self, account_id: uuid.UUID, phone: str) -> PairingCode:
        """Start a code pairing for `phone` (E.164 with plus) and return the code."""

        async def act() -> PairingCode:
            session = await self._connect(account_id, use_qr=False)
            if session.linked:
                raise conflict("already_linked", "This number is linked already. Log it out first.")
            code = await self._supervisor.client.pair_code(session.ref, phone.lstrip("+"))
            return PairingCode(code, utc_now() + _CODE_LIFE)

        return await self._locked(account_id, act)

    async def qr(self, account_id: uuid.UUID) -> QrView | None:
        """Return the code shown now, or None."""
        session = self._supervisor.registry.get(account_id)
        if session is None or session.qr is None or session.qr.expires_at <= utc_now():
            return None
        return session.qr

    async def passkey(self, account_id: uuid.UUID) -> PasskeyView | None:
        """Return what WhatsApp waits for now, or None."""
        session = self._supervisor.registry.get(account_id)
        return None if session is None else self._supervisor.passkeys.shown(session)

    async def answer_passkey(self, account_id: uuid.UUID, credential: str) -> None:
        """Hand the authenticator's answer (AuthenticationResponseJSON) to WhatsApp."""
        session = self._supervisor.registry.require(account_id)
        await self._locked(account_id, lambda: self._supervisor.passkeys.give(session, credential))

    async def confirm_passkey(self, account_id: uuid.UUID) -> None:
        """Say that the phone shows the same code."""
        session = self._supervisor.registry.require(account_id)
        await self._locked(account_id, lambda: self._supervisor.passkeys.confirm(session))

    async def typing(self, account_id: uuid.UUID, address: str, state: ChatState) -> None:
        """Show the customer that somebody types. Best effort."""
        session = self._supervisor.registry.get(account_id)
        client = self._supervisor.speaking_client
        if session is None or client is None or not session.connected:
            return
        try:
            await client.chat_presence(session.ref, address, composing=state != "paused", audio=state == "recording")
        except EngineError:
            return

    async def mark_read(
        self, account_id: uuid.UUID, address: str, author: str, wa_message_ids: list[str], at: dt.datetime
    ) -> None:
        """Send read receipts (at most 100 ids) to WhatsApp."""
        session = self._supervisor.registry.require(account_id)
        call = self._supervisor.client.mark_read(
            session.ref, address, author, wa_message_ids[:_PER_CALL], int(at.timestamp() * 1000)
        )
        await _translated(call)

    async def on_whatsapp(self, account_id: uuid.UUID, phones: list[str]) -> list[OnWhatsApp]:
        """Ask WhatsApp about up to 100 phone numbers."""
        if not 1 <= len(phones) <= _PER_CALL:
            raise invalid(f"Between 1 and {_PER_CALL} phone numbers can be asked about.")
        session = self._supervisor.registry.require(account_id)
        digits = [phone.lstrip("+") for phone in phones]
        found = await _translated(self._supervisor.client.is_on_whatsapp(session.ref, digits))
        by_query = {entry.query.lstrip("+"): entry for entry in found}
        return [_on_whatsapp(phone, by_query.get(phone.lstrip("+"))) for phone in phones]

    async def ask_groups(self, account_id: uuid.UUID, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of the engine contract's service `Groups`; request and answer in protobuf's JSON form."""
        session = self._supervisor.registry.require(account_id)
        return await _translated(self._groups.ask(session, method, body))

    async def refresh_contact(self, account_id: uuid.UUID, contact_id: uuid.UUID) -> None:
        """Ask WhatsApp about a contact and store what it tells."""
        await _translated(self._people.refresh(self._supervisor.registry.require(account_id), contact_id))

    async def set_blocked(self, account_id: uuid.UUID, address: str, *, blocked: bool) -> None:
        """Block or unblock a person on WhatsApp."""
        session = self._supervisor.registry.require(account_id)
        await _translated(self._people.set_blocked(session, address, blocked=blocked))

    async def sync_blocks(self, account_id: uuid.UUID) -> None:
        """Read the number's block list from WhatsApp and store it."""
        await _translated(self._people.sync_blocks(self._supervisor.registry.require(account_id)))

    async def refresh_profile(self, account_id: uuid.UUID) -> None:
        """Ask WhatsApp what customers see of the number and store it."""
        await _translated(self._people.refresh_profile(self._supervisor.registry.require(account_id)))

    async def set_profile(self, account_id: uuid.UUID, change: ProfileChange) -> None:
        """Change what customers see of the number, and store it."""
        await _translated(self._people.set_profile(self._supervisor.registry.require(account_id), change))

    async def privacy(self, account_id: uuid.UUID, changes: dict[str, str]) -> dict[str, str]:
        """Change privacy settings (by WhatsApp's names) and return all of them."""
        return await _translated(self._people.privacy(self._supervisor.registry.require(account_id), changes))

    async def watch_chat(self, account_id: uuid.UUID, address: str, contact_id: uuid.UUID | None) -> None:
        """Note that somebody of the team looks at a chat now. Best effort; to be repeated while it is so."""
        session = self._supervisor.registry.get(account_id)
        if session is None or not session.connected:
            return
        if contact_id is not None:
            self._people.freshen(session, contact_id)
            await self._presence.watch(session, address)
        elif address.endswith("@g.us"):
            self._groups.look_at(session, address)

    async def _locked(self, account_id: uuid.UUID, act: Callable[[], Awaitable[_T]]) -> _T:
        """One command of a session at a time, within the promised time."""
        try:
            async with asyncio.timeout(_LIMIT_S), self._supervisor.lock(account_id):
                return await _translated(act())
        except TimeoutError:
            raise unavailable("engine_unavailable", "The engine host did not finish this in time.") from None

    async def _connect(self, account_id: uuid.UUID, *, use_qr: bool) -> Session:
        supervisor = self._supervisor
        spec = await self._spec(account_id)
        if spec is None:
            raise not_found("account")
        session = supervisor.registry.get(account_id)
        if session is None or session.epoch != spec.epoch:
            session = supervisor.add(spec)
        session.cancel_retry()
        session.replaced_once = False
        if session.started and not session.linked:
            # a code that is shown already may be about to expire: begin a new cycle
            await supervisor.client.stop_session(session.ref)
            session.started = False
        if not session.started:
            session.linked = spec.linked or session.linked
            await supervisor.begin(session, use_qr=use_qr)
        return session

    async def _log_out(self, account_id: uuid.UUID) -> None:
        supervisor = self._supervisor
        session = supervisor.registry.get(account_id)
        if session is None:
            spec = await self._spec(account_id)
            if spec is None:
                return  # it never ran: there is no pairing
            session = supervisor.add(spec)
        reached = await supervisor.unpair(session, start=True)
        detail = "Logged out here." if reached else _UNREACHED
        verdict = Verdict("logged_out", "user_initiated", detail, final=True, stop=True)
        await supervisor.board.write(supervisor.reports.set_status(session, verdict))
        if not reached:
            raise conflict("session_not_running", _UNREACHED)

    async def _spec(self, account_id: uuid.UUID) -> accounts.SessionSpec | None:
        return await self._database.read(
            Platform("an instance looks up a session that it shall serve"), accounts.session_to_run, account_id
        )


async def _translated(call: Awaitable[_T]) -> _T:
    try:
        return await call
    except BlazzError:
        raise
    except EngineError as error:
        raise _public(error) from error


def _public(error: EngineError) -> BlazzError:
    """Return the problem that a caller of the API sees."""
    if isinstance(error, (EngineGone, UnknownOutcome)):
        return unavailable("engine_unavailable", "The engine host does not answer. Try again in a moment.")
    if isinstance(error, NotRunning):
        return conflict("session_not_running", "This number is not running here. Connect it first.")
    if isinstance(error, NotConnected):
        return unavailable("not_connected", "This number has no connection to WhatsApp at the moment.")
    if isinstance(error, NotLinked):
        return conflict("not_linked", "This number is not linked to a phone.")
    if isinstance(error, Refused):
        return conflict("whatsapp_refused", f"WhatsApp refused: {error.detail}")
    if error.word == "no_passkey":
        return conflict("no_passkey", "WhatsApp does not wait for a passkey of this number now.")
    if error.word == "invalid":
        return invalid(f"WhatsApp cannot take this: {error.detail}"[:300])
    return BlazzError("session_failed", f"The session cannot do this: {error}"[:300], 409)


def _on_whatsapp(phone: str, entry: object) -> OnWhatsApp:
    jid, lid = getattr(entry, "jid", "") or None, getattr(entry, "lid", "") or None
    return OnWhatsApp(phone, bool(getattr(entry, "registered", False)), jid, lid)
