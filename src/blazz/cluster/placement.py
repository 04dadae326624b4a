"""Where sessions belong: pure functions from workspaces and loads to instances, the same on every machine.

The unit is the workspace: what it has already wins, all of it lives on one instance, and it is split only when no
instance can hold it whole. Nothing is placed on an instance that is draining, stopped, dead, silent or full.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from blazz.cluster.capacity import InstanceLoad as InstanceLoad
from blazz.cluster.capacity import no_capacity, no_instance

Strategy = Literal["workspace_modulo", "rendezvous", "least_loaded"]

# Plain rendezvous hashing is even only over thousands of workspaces. An instance that is this much fuller than all of
# them together is passed over (consistent hashing with bounded loads), which keeps a few hundred even as well.
_EVENNESS = 1.02

ALREADY_THERE = "the workspace is there already"  # the `why` of a placement that an existing assignment has won


@dataclass(frozen=True, slots=True)
class Placement:
    """An instance that had room a moment ago.

    `placed` of the sessions asked for fit there (fewer only when no instance has room for all). `split`: the workspace
    has sessions on more than one instance with this. `why` is a clause for people.
    """

    instance_id: str
    generation: int
    split: bool = False
    why: str = ""
    placed: int = 1


@dataclass(frozen=True, slots=True)
class WorkspaceSessions:
    """Sessions of one workspace that need a place; `present` counts those of its others, by instance."""

    workspace_id: uuid.UUID
    number: int
    accounts: tuple[uuid.UUID, ...]
    priority: int = 0
    present: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """One session and the instance that it shall have."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    target_id: str
    target_generation: int
    split: bool
    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that fits nowhere: `reason` is `no_capacity` or `no_instance`, `detail` a sentence."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Where many sessions go, and which of them have to wait; both in the order of priority."""

    moves: list[Move]
    waiting: list[Waiting]


def workspace_modulo(workspace_number: int, instances: Sequence[str]) -> str:
    """Return instance `workspace_number mod n`: the original's formula.

    `instances` are ids in the order of their index; a defect (ValueError) when there is none.
    """
    if not instances:
        raise ValueError("there is no instance to choose from")
    return instances[workspace_number % len(instances)]


def rendezvous(key: uuid.UUID, instances: Iterable[str]) -> str:
    """Return the instance with the highest hash of (key, instance): highest random weight hashing.

    An instance that comes or goes moves only what it gains or loses. A defect (ValueError) when there is none.
    """
    ranked = rendezvous_order(key, instances)
    if not ranked:
        raise ValueError("there is no instance to choose from")
    return ranked[0]


def rendezvous_order(key: uuid.UUID, instances: Iterable[str]) -> list[str]:
    """Return the instances by falling hash of (key, instance)."""
    prefix = key.bytes
    return sorted(
        instances,
        key=lambda name: hashlib.blake2b(prefix + name.encode(), digest_size=8).digest(),
        reverse=True,
    )


def choose(
    strategy: Strategy,
    workspace_id: uuid.UUID,
    workspace_number: int,
    needed: int,
    instances: Iterable[InstanceLoad],
    *,
    present: Mapping[str, int] | None = None,
    configured_count: int | None = None,
) -> Placement:
    """Return where `needed` more sessions of a workspace go.

    `present` counts the sessions that the workspace has running, by instance (one that moves counts at its target).
    `configured_count` is the modulus of `workspace_modulo`; the number of known instances when None. Raises BlazzError
    `no_instance` (503) and `no_capacity` (409). Whether N-1 still holds is asked in `capacity`.
    """
    board = Board(instances, strategy, configured_count)
    if not board.usable:
        raise no_instance()
    here = {name: count for name, count in (present or {}).items() if count > 0}
    parts = board.parts(workspace_id, workspace_number, needed, here)
    if not parts:
        raise no_capacity(board.known)
    first = parts[0]
    split = len(parts) > 1 or any(name != first.instance.id for name in here)
    return Placement(first.instance.id, first.instance.generation, split, first.why, first.count)


def spread(
    workspaces: Iterable[WorkspaceSessions],
    instances: Iterable[InstanceLoad],
    strategy: Strategy,
    *,
    configured_count: int | None = None,
) -> Spread:
    """Return a place for every session of many workspaces, as far as there is room.

    Workspaces of higher priority are served first, among equals the larger, then the lower number. A workspace that
    fits nowhere as a whole is put into the fewest parts; what is left of it waits. Never raises for want of room.
    """
    board = Board(instances, strategy, configured_count)
    moves: list[Move] = []
    waiting: list[Waiting] = []
    for workspace in sorted(workspaces, key=lambda one: (-one.priority, -len(one.accounts), one.number)):
        here = {name: count for name, count in workspace.present.items() if count > 0}
        left = list(workspace.accounts)
        parts = board.parts(workspace.workspace_id, workspace.number, len(left), here)
        split = len({part.instance.id for part in parts} | here.keys()) > 1
        for part in parts:
            board.take(part.instance.id, part.count)
            moves += [
                Move(account, workspace.workspace_id, part.instance.id, part.instance.generation, split, part.why)
                for account in left[: part.count]
            ]
            del left[: part.count]
        if left:
            error = no_capacity(board.known) if board.usable else no_instance()
            waiting += [Waiting(account, workspace.workspace_id, error.code, error.detail) for account in left]
    return Spread(moves, waiting)


@dataclass(frozen=True, slots=True)
class Part:
    """Sessions of a workspace for one instance."""

    instance: InstanceLoad
    count: int
    why: str


class Board:
    """The loads while places are given away, and the order in which a strategy asks instances."""

    def __init__(
        self, instances: Iterable[InstanceLoad], strategy: Strategy, configured_count: int | None = None
    ) -> None:
        self.known = sorted(instances, key=lambda instance: instance.index)
        self.usable = {instance.id: instance for instance in self.known if instance.usable and instance.places > 0}
        self.sessions = {instance.id: instance.sessions for instance in self.known}
        self._strategy = strategy
        self._modulus = max(1, configured_count or len(self.known))
        self._places = sum(instance.places for instance in self.usable.values())
        self._taken = sum(self.sessions[name] for name in self.usable)

    def room(self, name: str) -> int:
        """Return how many sessions an instance may still take; 0 for one that is not usable."""
        instance = self.usable.get(name)
        return 0 if instance is None else max(0, instance.places - self.sessions[name] - instance.leaving)

    def take(self, name: str, count: int) -> None:
        """Count sessions to an instance, or with a negative number away from it."""
        self.sessions[name] = self.sessions.get(name, 0) + count
        if name in self.usable:
            self._taken += count

    def utilization(self, name: str) -> float:
        """Return sessions by places of a usable instance, 0 to 1."""
        return self.sessions[name] / self.usable[name].places

    def average(self, adding: int = 0) -> float:
        """Return sessions by places of all usable instances together, with `adding` more."""
        return (self._taken + adding) / self._places if self._places else 0.0

    def even(self, name: str, adding: int = 0) -> bool:
        """Whether an instance is not notably fuller than all of them together."""
        return self.utilization(name) <= self.average(adding) * _EVENNESS

    def preferred(self, workspace_id: uuid.UUID, workspace_number: int) -> list[str]:
        """Return the usable instances in the strategy's order, whatever they carry (except for `least_loaded`)."""
        if self._strategy == "rendezvous":
            return rendezvous_order(workspace_id, self.usable)
        if self._strategy == "workspace_modulo":
            start = workspace_number % self._modulus
            # The ring goes past the modulus: instances beyond the configured count stand in, but are never first.
            after = [name for name, instance in self.usable.items() if instance.index >= start]
            return after + [name for name, instance in self.usable.items() if instance.index < start]
        return sorted(self.usable, key=lambda name: (self.utilization(name), self.usable[name].index))

    def order(self, workspace_id: uuid.UUID, workspace_number: int, adding: int) -> list[str]:
        """Return the usable instances as they are asked now."""
        ranked = self.preferred(workspace_id, workspace_number)
        if self._strategy != "rendezvous":
            return ranked
        return sorted(ranked, key=lambda name: not self.even(name, adding))  # stable: even ones first

    def parts(self, workspace_id: uuid.UUID, number: int, needed: int, present: Mapping[str, int]) -> list[Part]:
        """Return where `needed` sessions go: one part if any instance has room, else the fewest; maybe not for all."""
        homes = sorted(
            (name for name in present if name in self.usable), key=lambda name: (-present[name], self._index(name))
        )
        for name in homes:
            if self.room(name) >= needed:
                return [Part(self.usable[name], needed, ALREADY_THERE)]
        asked = self.order(workspace_id, number, needed)
        for place, name in enumerate(asked):
            if self.room(name) >= needed:
                return [Part(self.usable[name], needed, self._why(place, asked, homes))]
        found: list[Part] = []
        # Its own instances first, as they add no part; then those with the most room: the fewest parts.
        others = sorted((name for name in asked if name not in homes), key=lambda name: -self.room(name))
        for name in [*homes, *others]:
            count = min(needed, self.room(name))
            if count > 0:
                found.append(Part(self.usable[name], count, "no instance can hold the workspace whole"))
                needed -= count
        return found

    def _index(self, name: str) -> int:
        return self.usable[name].index

    def _why(self, place: int, asked: Sequence[str], homes: Sequence[str]) -> str:
        if homes:
            return f"{homes[0]}, where the workspace is, has no room"
        if place == 0:
            return f"first by {self._strategy}"
        return f"next by {self._strategy}: {asked[place - 1]} has no room"
