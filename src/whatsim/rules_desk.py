"""What a person who looks after the network does to a number: forbid, ban, call, demand a passkey and answer for it."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whatsim.model import PhoneNotFound, WhatsimError
from whatsim.server.authenticator import ORIGIN, RP_ID
from whatsim.server.calls import Call, CallState, EndReason
from whatsim.server.limits import Ban, Cap, CapStatus, Timelock

if TYPE_CHECKING:
    from whatsim.server.core import Core

MAX_SECONDS = 400 * 86_400.0


class InvalidRule(WhatsimError):
    """A restriction, ban or call with impossible values."""

    code = "invalid_rule"


class CallNotFound(WhatsimError):
    """There is no such call."""

    code = "call_not_found"


@dataclass(frozen=True, slots=True)
class CallView:
    """A call. `rejected_by` is the linked device that declined it, 0 for none."""

    id: str
    caller: str
    callee: str
    video: bool
    state: CallState
    rejected_by: int
    started_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PasskeyState:
    """Whether a phone demands a passkey of new devices, and how a linking that needs one is going.

    `step`: none, demanded, proven, confirmed. `code` is what the phone shows; `refused` why the last answer was not
    accepted.
    """

    required: bool
    step: str
    code: str | None
    refused: str | None


class LimitsDesk:
    """Restrictions, kept in memory. PhoneNotFound for unknown numbers, InvalidRule for impossible values."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def timelock(self, number: str, seconds: float, *, tell: bool = True) -> None:
        """Let a phone's linked devices start no chats for a time; 0 ends it. `tell` pushes the notice."""
        phone, limits = self._core.world.phone(number), self._core.limits
        _check_seconds(seconds)
        if seconds > 0:
            limits.timelocks[phone.number] = Timelock(time.time() + seconds)
        else:
            limits.timelocks.pop(phone.number, None)
        if tell:
            limits.tell_timelock(phone)
        await self._core.store.durable()

    async def cap(self, number: str, status: CapStatus, used: int, total: int, seconds: float) -> None:
        """Tell a phone's linked devices how many new chats are used up; CAPPED refuses more of them."""
        phone, limits = self._core.world.phone(number), self._core.limits
        _check_seconds(seconds)
        cap = Cap(status, used, total, time.time() + seconds)
        if status == "NONE":
            limits.caps.pop(phone.number, None)
        else:
            limits.caps[phone.number] = cap
        limits.tell_cap(phone, cap)
        await self._core.store.durable()

    def ban(self, number: str, seconds: float | None, code: int = 101) -> None:
        """Cut a phone's devices off and refuse their logins for a time (402), None: for good (406); 0 ends it."""
        phone, limits = self._core.world.phone(number), self._core.limits
        if seconds == 0:
            limits.bans.pop(phone.number, None)
            return
        if seconds is not None:
            _check_seconds(seconds)
        limits.bans[phone.number] = Ban(None if seconds is None else time.time() + seconds, code)
        for device in phone.devices.values():
            if device.connection is not None:
                device.connection.close()

    def client_versions(self, minimum: int | None, newest: int | None) -> None:
        """Refuse logins of clients below a revision (405), and name the newest one on the web page."""
        self._core.limits.versions.minimum = minimum
        self._core.limits.versions.newest = newest

    def refused_new_chats(self, number: str) -> int:
        """Return how many messages were refused because they would have started a chat."""
        return self._core.limits.refused_new_chats.get(self._core.world.phone(number).number, 0)


class CallsDesk:
    """Calls by number. PhoneNotFound and CallNotFound for what is unknown."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def offer(self, number: str, to: str, *, video: bool = False) -> CallView:
        """Let a phone call another one."""
        world = self._core.world
        caller, callee = world.phone(number), world.phone(to)
        if caller is callee:
            raise InvalidRule("A phone cannot call itself.")
        call = self._core.calls.offer(caller, callee, video=video)
        await self._core.store.durable()
        return _view(call)

    async def end(self, call_id: str, reason: EndReason = "hangup") -> CallView:
        """End a call."""
        call = self._core.calls.by_id.get(call_id)
        if call is None:
            raise CallNotFound("There is no such call.")
        self._core.calls.end(call, reason)
        await self._core.store.durable()
        return _view(call)

    def list(self) -> list[CallView]:
        """Return all calls, the oldest first."""
        return [_view(call) for call in self._core.calls.by_id.values()]


class PasskeysDesk:
    """Passkeys by number, and the phone's own authenticator. PhoneNotFound for unknown numbers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def require(self, number: str, *, required: bool = True) -> None:
        """Let a phone demand its passkey of every device that is linked from now on."""
        phone, wanted = self._core.world.phone(number), self._core.passkeys.required
        (wanted.add if required else wanted.discard)(phone.number)

    def state(self, number: str) -> PasskeyState:
        """Return how a linking that needs the passkey is going."""
        phone = self._core.world.phone(number)
        required = phone.number in self._core.passkeys.required
        ceremony = self._core.passkeys.of_phone(phone)
        if ceremony is None:
            return PasskeyState(required, "none", None, None)
        return PasskeyState(required, ceremony.step, ceremony.code, ceremony.refused)

    def assertion(self, number: str, *, rp_id: str = RP_ID, origin: str = ORIGIN) -> dict[str, Any]:
        """Sign the challenge under way with the phone's passkey; returns an AuthenticationResponseJSON.

        Raises PhoneNotFound, also when nothing is demanded now.
        """
        phone = self._core.world.phone(number)
        ceremony = self._core.passkeys.of_phone(phone)
        if ceremony is None:
            raise PhoneNotFound(f"Nobody is linking a device to {number} with a passkey now.")
        authenticator = self._core.passkeys.authenticator(phone)
        return authenticator.assertion(ceremony.challenge, rp_id=rp_id, origin=origin)


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= MAX_SECONDS:
        raise InvalidRule(f"seconds must be 0 to {MAX_SECONDS:.0f}.")


def _view(call: Call) -> CallView:
    started = dt.datetime.fromtimestamp(call.started_at, dt.UTC)
    return CallView(call.id, call.caller.number, call.callee.number, call.video, call.state, call.rejected_by, started)
