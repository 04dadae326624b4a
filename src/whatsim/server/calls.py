"""Telephone calls between phones: only the signalling that linked devices see, no sound."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whatsim.server.entities import Device, Phone
from whatsim.server.stanzas import new_id, timestamp
from whatsim.wire.binary import Node
from whatsim.wire.jid import LID_SERVER, USER_SERVER

if TYPE_CHECKING:
    from whatsim.server.core import Core

CallState = Literal["ringing", "rejected", "answered", "ended"]
EndReason = Literal["timeout", "accepted_elsewhere", "rejected_elsewhere", "hangup"]
_KEPT = 1_000


@dataclass(slots=True)
class Call:
    """A call and how far it is. `rejected_by` is the linked device that declined it, 0 for nobody or the phone."""

    id: str
    caller: Phone
    callee: Phone
    video: bool
    started_at: float
    state: CallState = "ringing"
    rejected_by: int = 0


class Calls:
    """Calls since the start, the oldest forgotten first."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.by_id: dict[str, Call] = {}

    def offer(self, caller: Phone, callee: Phone, *, video: bool) -> Call:
        """Let a phone call another one: its linked devices ring."""
        call = Call(os.urandom(16).hex().upper(), caller, callee, video, time.time())
        self.by_id[call.id] = call
        while len(self.by_id) > _KEPT:
            del self.by_id[next(iter(self.by_id))]
        media = [Node("audio", {"enc": "opus", "rate": "16000"})]
        if video:
            media.append(Node("video", {"enc": "vp8", "dec": "vp8", "orientation": "0"}))
        self._tell(call, Node("offer", self._named(call), media))
        return call

    def end(self, call: Call, reason: EndReason) -> None:
        """End a call: the caller gave up, or the callee's phone answered or declined it."""
        if call.state == "ringing":
            states: dict[EndReason, CallState] = {"accepted_elsewhere": "answered", "rejected_elsewhere": "rejected"}
            call.state = states.get(reason, "ended")
        attrs = self._named(call)
        if reason != "hangup":
            attrs["reason"] = reason
        self._tell(call, Node("terminate", attrs))

    def handle(self, device: Device, node: Node) -> None:
        """Take what a linked device says of a call: it can decline one."""
        for child in node.children:
            call = self.by_id.get(child.attrs.get("call-id", ""))
            if child.tag == "reject" and call is not None and call.callee is device.phone and call.state == "ringing":
                call.state, call.rejected_by = "rejected", device.device
                ended = Node("terminate", {**self._named(call), "reason": "rejected_elsewhere"})
                self._tell(call, ended, except_for=device)

    def _named(self, call: Call) -> dict[str, str]:
        return {
            "call-id": call.id,
            "call-creator": call.caller.jid(LID_SERVER),
            "caller_pn": call.caller.jid(USER_SERVER),
        }

    def _tell(self, call: Call, child: Node, except_for: Device | None = None) -> None:
        attrs = {"from": call.caller.jid(LID_SERVER), "t": timestamp(), "platform": "android", "version": "2.26.1"}
        for device in call.callee.devices.values():
            if device is not except_for:
                self._core.router.push(device, Node("call", {**attrs, "id": new_id()}, [child]))
