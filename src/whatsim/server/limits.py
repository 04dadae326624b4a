"""What the network forbids a phone or every client: time locks, bans, caps of new chats, old client versions.

Kept in memory, like faults. The notices and refusals are those of the real network, as far as they are known; what it
answers beyond a cap is not known, and refused here like a time lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whatsim.server.entities import Phone
from whatsim.server.stanzas import notification
from whatsim.wire.binary import Node
from whatsim.wire.jid import SERVER_JID
from whatsim.wire.records import AppVersion, ClientPayload

if TYPE_CHECKING:
    from whatsim.server.core import Core

TIMELOCKED = "463"
TEMPORARILY_BANNED = 402
CapStatus = Literal["NONE", "FIRST_WARNING", "SECOND_WARNING", "CAPPED"]
_TIMELOCK_NOTICE = "NotificationUserReachoutTimelockUpdate"
_CAP_NOTICE = "MessageCappingInfoNotification"


@dataclass(slots=True)
class Timelock:
    """A phone's linked devices must not start chats until `ends` (seconds since 1970)."""

    ends: float
    enforcement: str = "RATE_LIMIT"

    def active(self) -> bool:
        return time.time() < self.ends


@dataclass(slots=True)
class Cap:
    """How many new chats of a period are used up."""

    status: CapStatus
    used: int
    total: int
    ends: float


@dataclass(slots=True)
class Ban:
    """No linked device of a phone gets in. `ends` None: for good. `code` is the reason of a temporary ban."""

    ends: float | None
    code: int = 101

    def active(self) -> bool:
        return self.ends is None or time.time() < self.ends


@dataclass(slots=True)
class Versions:
    """The lowest revision of clients that gets in, and the newest that the web page names; None: any, none."""

    minimum: int | None = None
    newest: int | None = None


class Limits:
    """Asked at every login and every message; quick when nothing is forbidden."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.timelocks: dict[str, Timelock] = {}
        self.caps: dict[str, Cap] = {}
        self.bans: dict[str, Ban] = {}
        self.versions = Versions()
        self.refused_new_chats: dict[str, int] = {}

    # --- what is asked

    def refuses_login(self, payload: ClientPayload, phone: Phone | None) -> Node | None:
        """Return the failure that a login gets, or None."""
        if self._too_old(payload.user_agent.version if payload.user_agent is not None else None):
            return _failure(405)
        ban = None if phone is None else self.bans.get(phone.number)
        if ban is None or not ban.active():
            return None
        if ban.ends is None:
            return _failure(406)
        left = max(1, int(ban.ends - time.time()))
        return _failure(TEMPORARILY_BANNED, code=str(ban.code), expire=str(left))

    def refuses_message(self, sender: Phone, to: Phone | None) -> str | None:
        """Return the code with which a message to a person is refused, or None."""
        if not self.timelocks and not self.caps:
            return None
        lock, cap = self.timelocks.get(sender.number), self.caps.get(sender.number)
        locked = lock is not None and lock.active()
        capped = cap is not None and cap.status == "CAPPED" and time.time() < cap.ends
        if to is None or to is sender or not (locked or capped) or _trusted(sender, to):
            return None
        self.refused_new_chats[sender.number] = self.refused_new_chats.get(sender.number, 0) + 1
        return TIMELOCKED

    def timelock_answer(self, phone: Phone) -> bytes:
        """Return the answer to a client that asks for its time lock."""
        lock = self.timelocks.get(phone.number)
        return _json({"xwa2_fetch_account_reachout_timelock": _told(lock)})

    def front_page(self) -> bytes:
        """Return the page at which clients look for the newest version."""
        newest = self.versions.newest
        revision = "" if newest is None else f'"client_revision":{newest},'
        return f"<!doctype html><title>Simulated network</title><script>{{{revision}}}</script>".encode()

    # --- what is set

    def tell_timelock(self, phone: Phone) -> None:
        """Tell the phone's linked devices how their time lock is."""
        told = {"xwa2_notify_account_reachout_timelock": _told(self.timelocks.get(phone.number))}
        self._tell(phone, _TIMELOCK_NOTICE, told)

    def tell_cap(self, phone: Phone, cap: Cap) -> None:
        """Tell the phone's linked devices how many new chats are used up."""
        told = {
            "capping_status": cap.status,
            "used_quota": cap.used,
            "total_quota": cap.total,
            "cycle_end_timestamp": str(int(cap.ends)),
        }
        self._tell(phone, _CAP_NOTICE, {"xwa2_notify_new_chat_messages_capping_info_update": told})

    def _tell(self, phone: Phone, operation: str, data: Mapping[str, object]) -> None:
        update = Node("update", {"op_name": operation}, _json(data))
        for device in phone.devices.values():
            self._core.router.push(device, notification("mex", SERVER_JID, [update]))

    def _too_old(self, version: AppVersion | None) -> bool:
        minimum = self.versions.minimum
        return minimum is not None and (version is None or (version.tertiary or 0) < minimum)


def _trusted(sender: Phone, to: Phone) -> bool:
    """Whether `to` has written to `sender`: that is when the real network gives a token of trust."""
    return any(message.chat == to.number and not message.outgoing for message in sender.messages)


def _told(lock: Timelock | None) -> dict[str, object]:
    if lock is None or not lock.active():
        return {"is_active": False}
    return {
        "is_active": True,
        "time_enforcement_ends": str(int(lock.ends)),
        "enforcement_type": lock.enforcement,
    }


def _json(data: Mapping[str, object]) -> bytes:
    return json.dumps({"data": data}).encode()


def _failure(reason: int, **attrs: str) -> Node:
    return Node("failure", {"reason": str(reason), "location": "sim", **attrs})
