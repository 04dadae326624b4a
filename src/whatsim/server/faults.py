"""Disturbances that tests and people add: refused logins, silence, delays, lost acknowledgements and more."""

from __future__ import annotations

import asyncio
import datetime
import itertools
from dataclasses import dataclass, field

from whatsim.model import FAULT_KINDS, LOGIN_REFUSALS, FaultKind, FaultSpec, FaultView, InvalidFault
from whatsim.server.entities import Device

# Which fields a kind accepts beside number and device, and which of them it needs.
_FIELDS: dict[FaultKind, tuple[frozenset[str], frozenset[str]]] = {
    "refuse_login": (frozenset({"code", "count"}), frozenset({"code"})),
    "drop_connection": (frozenset(), frozenset()),
    "silence": (frozenset({"seconds"}), frozenset()),
    "delay": (frozenset({"seconds"}), frozenset({"seconds"})),
    "stream_error": (frozenset({"code"}), frozenset({"code"})),
    "lose_acks": (frozenset({"count"}), frozenset({"count"})),
    "duplicate": (frozenset({"count"}), frozenset({"count"})),
    "refuse_messages": (frozenset({"code", "count"}), frozenset({"code"})),
    "lose_messages": (frozenset({"count"}), frozenset({"count"})),
    "lose_sent": (frozenset({"count"}), frozenset({"count"})),
    "reorder": (frozenset({"count", "seconds"}), frozenset({"count"})),
    "corrupt": (frozenset({"count"}), frozenset({"count"})),
    "forget_prekeys": (frozenset(), frozenset()),
    "expire_media": (frozenset(), frozenset()),
    "lose_pair_success": (frozenset({"count"}), frozenset({"count"})),
    "lose_pair_confirmation": (frozenset({"count"}), frozenset({"count"})),
}
# These act once, when they are added, and are over with that.
AT_ONCE: frozenset[FaultKind] = frozenset({"drop_connection", "stream_error", "forget_prekeys", "expire_media"})
MAX_SECONDS = 3_600.0
MAX_COUNT = 1_000_000


@dataclass(slots=True)
class Fault:
    """An active disturbance."""

    id: str
    spec: FaultSpec
    remaining: int | None
    added_at: datetime.datetime
    hits: int = 0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def view(self) -> FaultView:
        return FaultView(self.id, self.spec, self.remaining, self.hits, self.added_at)

    def matches(self, device: Device | None) -> bool:
        """Whether the fault concerns this device; connections that are not logged in have none."""
        spec = self.spec
        if device is None:
            return spec.number is None and spec.device is None
        return spec.number in (None, device.phone.number) and spec.device in (None, device.device)


class Faults:
    """The active disturbances by kind. Everything asked on the hot path is quick when there are none."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._faults: dict[str, Fault] = {}
        self._kinds: dict[FaultKind, list[Fault]] = {}

    def add(self, spec: FaultSpec) -> Fault:
        """Check and add. `silence` with seconds ends by itself. Raises InvalidFault."""
        check(spec)
        fault = Fault(f"f{next(self._ids)}", spec, spec.count, datetime.datetime.now(datetime.UTC))
        self._faults[fault.id] = fault
        self._kinds.setdefault(spec.kind, []).append(fault)
        return fault

    def remove(self, fault_id: str) -> Fault | None:
        """Remove a fault; returns it, or None when there is none with this id."""
        fault = self._faults.pop(fault_id, None)
        if fault is not None:
            kind = self._kinds[fault.spec.kind]
            kind.remove(fault)
            if not kind:
                del self._kinds[fault.spec.kind]
            if fault.timer is not None:
                fault.timer.cancel()
        return fault

    @property
    def any(self) -> bool:
        """Whether there is any fault at all."""
        return bool(self._faults)

    def list(self) -> list[Fault]:
        """Return all active faults, oldest first."""
        return list(self._faults.values())

    def find(self, kind: FaultKind, device: Device | None) -> Fault | None:
        """Return a matching fault without using it up."""
        for fault in self._kinds.get(kind, ()):
            if fault.matches(device):
                return fault
        return None

    def hit(self, kind: FaultKind, device: Device | None) -> Fault | None:
        """Return a matching fault and count one use; with the last one it ends."""
        fault = self.find(kind, device)
        if fault is None:
            return None
        fault.hits += 1
        if fault.remaining is not None:
            fault.remaining -= 1
            if fault.remaining <= 0:
                self.remove(fault.id)
        return fault


def check(spec: FaultSpec) -> None:
    """Raise InvalidFault when the fields do not fit the kind."""
    if spec.kind not in FAULT_KINDS:
        raise InvalidFault(f"There is no fault of the kind {spec.kind}.")
    accepted, needed = _FIELDS[spec.kind]
    given = {name for name in ("code", "count", "seconds") if getattr(spec, name) is not None}
    if missing := needed - given:
        raise InvalidFault(f"{spec.kind} needs {', '.join(sorted(missing))}.")
    if surplus := given - accepted:
        raise InvalidFault(f"{spec.kind} does not use {', '.join(sorted(surplus))}.")
    if spec.count is not None and not 1 <= spec.count <= MAX_COUNT:
        raise InvalidFault(f"count must be 1 to {MAX_COUNT}.")
    if spec.kind == "reorder" and spec.count == 1:
        raise InvalidFault("One message alone has no order; count must be 2 or more.")
    if spec.kind == "expire_media" and (spec.number is not None or spec.device is not None):
        raise InvalidFault("expire_media concerns the whole network; it takes no number and no device.")
    if spec.seconds is not None and not 0 < spec.seconds <= MAX_SECONDS:
        raise InvalidFault(f"seconds must be above 0 and at most {MAX_SECONDS:.0f}.")
    if spec.kind == "refuse_login" and spec.code not in {str(code) for code in LOGIN_REFUSALS}:
        raise InvalidFault("A login can be refused with 401, 403, 405 or 503.")
    named = spec.kind == "stream_error" and spec.code in ("replaced", "device_removed")
    if spec.code is not None and not named and not (spec.code.isdecimal() and len(spec.code) == 3):
        raise InvalidFault("code must be a number of three digits.")
