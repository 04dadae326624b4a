"""How many sessions the instances can carry, and whether they could still carry them with one instance down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from blazz.kit.errors import BlazzError, conflict

DEFAULT_CAPACITY = 500  # sessions an instance, the product's rule (250-500 in the original)
MAXIMUM_CAPACITY = 750  # and never more than this, whatever a row says
NMinusOneMode = Literal["refuse", "warn", "off"]


@dataclass(frozen=True, slots=True)
class InstanceLoad:
    """An instance as placement sees it.

    `sessions` counts what is wanted running there, moves that are reserved for it included and moves that leave it
    not; `leaving` are those: they take their places until they are gone. `alive` is what an observer knows beyond the
    row's state.
    """

    id: str
    index: int
    generation: int
    state: str
    capacity: int
    sessions: int
    alive: bool = True
    leaving: int = 0

    @property
    def usable(self) -> bool:
        """Whether new sessions may go there: healthy, and not seen silent."""
        return self.alive and self.state == "healthy"

    @property
    def places(self) -> int:
        """Sessions that it may carry: its capacity, 750 at most; none when it is not usable."""
        return max(0, min(self.capacity, MAXIMUM_CAPACITY)) if self.usable else 0

    @property
    def room(self) -> int:
        """Sessions that it may still take."""
        return max(0, self.places - self.sessions - self.leaving)


@dataclass(frozen=True, slots=True)
class CapacityCheck:
    """Whether `sessions` fit into the `places` that are left when the largest instance is down.

    `reason` is a sentence with the numbers and the ways out; empty when all is well.
    """

    ok: bool
    sessions: int
    places: int
    reason: str = ""


def n_minus_one_check(instances: Iterable[InstanceLoad], adding: int = 0) -> CapacityCheck:
    """Return whether what runs and `adding` more could be carried with the largest usable instance down.

    Counts the sessions of every instance (those of a draining or dead one have to be carried too) against the places
    of the usable ones. With fewer than two usable instances the rule does not apply: nothing would be left to carry.
    """
    known = list(instances)
    usable = [instance for instance in known if instance.usable]
    sessions = sum(instance.sessions for instance in known) + adding
    places = sum(instance.places for instance in usable)
    if len(usable) < 2:
        return CapacityCheck(True, sessions, places)
    largest = max(usable, key=lambda instance: (instance.places, -instance.index))
    left = places - largest.places
    if sessions <= left:
        return CapacityCheck(True, sessions, left)
    return CapacityCheck(
        False,
        sessions,
        left,
        f"With {largest.id} down the other {_instances(len(usable) - 1)} could carry {left} sessions, and {sessions} "
        f"would be needed. {_way_out(usable)}",
    )


def n_minus_one_refusal(check: CapacityCheck) -> BlazzError:
    """Return the error (`n_minus_one`, 409) for a session that must not be added. A defect when the check is fine."""
    if check.ok:
        raise ValueError("there is nothing to refuse")
    return conflict("n_minus_one", f"{check.reason} The setting BLAZZ_N_MINUS_ONE=warn lets it pass with a warning.")


def no_capacity(instances: Iterable[InstanceLoad]) -> BlazzError:
    """Return the error (`no_capacity`, 409) that names the ways out when every place is taken."""
    usable = [instance for instance in instances if instance.usable]
    total = sum(instance.places for instance in usable)
    return conflict(
        "no_capacity", f"All {total} places for sessions on {_instances(len(usable))} are taken. {_way_out(usable)}"
    )


def no_instance() -> BlazzError:
    """Return the error (`no_instance`, 503) for a cluster in which nobody takes sessions."""
    return BlazzError(
        "no_instance",
        "No instance takes sessions now: none is running, or all are draining. "
        "Start one (blazz up, or blazz instance) or resume one (blazz cluster resume).",
        503,
        headers={"Retry-After": "5"},
    )


def _way_out(usable: list[InstanceLoad]) -> str:
    lowest = min((instance.capacity for instance in usable), default=MAXIMUM_CAPACITY)
    if lowest < MAXIMUM_CAPACITY:
        raising = f", raise BLAZZ_INSTANCE_CAPACITY (now {lowest}, at most {MAXIMUM_CAPACITY}) and restart"
    else:
        raising = ""
    return f"Add an instance{raising}, or disconnect numbers that are not needed."


def _instances(count: int) -> str:
    return f"{count} instance" if count == 1 else f"{count} instances"
