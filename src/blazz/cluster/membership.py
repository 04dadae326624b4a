"""Instances: registration under a new generation, renewals, death by compare-and-set, return, and the release record.

Nobody is judged by a wall clock: a watcher counts how long an instance's counter stands still on its own clock, and
says so only if the counter still has the value that it watched.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz.cluster import platform_log, repository
from blazz.events import Wakeups
from blazz.kit.db import Tx
from blazz.kit.time import utc_now

TOPIC = "cluster"
"""Wake-up topic of everybody who watches instances and owners."""

InstanceState = Literal["healthy", "draining", "stopped", "dead"]


@dataclass(frozen=True, slots=True)
class Member:
    """What an instance says of itself when it registers. `host` is the place where its engine lock means something."""

    instance_id: str
    capacity: int
    version: str
    url: str = ""
    host: str = ""
    pid: int = 0
    storage: dict[str, Any] | None = None
    machine: dict[str, int] | None = None
    """What the machine has, `cores` and `memory_bytes`: without it nobody can tell which share of it is used."""


@dataclass(frozen=True, slots=True)
class Registration:
    """This start of an instance. `generation` is new at each; `taken_over` sessions got a higher epoch.

    `previous_gone`: the engine host of the generation before is proven gone, or will be once the engine lock of this
    place is taken. Without it nothing may be opened until a whole lease has passed.
    """

    instance_id: str
    index: int
    generation: int
    taken_over: int
    previous_gone: bool = True


@dataclass(frozen=True, slots=True)
class Figures:
    """What an instance tells with each renewal."""

    connected: int = 0
    memory_bytes: int = 0
    cpu_percent: float = 0.0
    engine_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """The answer to a renewal. Only `renewed` extends the lease.

    `dead`: watchers gave this instance up; it may `rejoin`. `fenced`: another process runs under its name.
    """

    outcome: Literal["renewed", "dead", "fenced"]
    state: str = "healthy"
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as others see it."""

    id: str
    index: int
    url: str
    generation: int
    renewals: int
    revision: int
    state: InstanceState
    capacity: int
    version: str
    host: str
    pid: int
    engine_pid: int | None
    connected: int
    memory_bytes: int
    cpu_percent: float
    storage: dict[str, Any] | None
    released: bool
    """The present generation's processes are proven gone."""
    started_at: dt.datetime
    renewed_at: dt.datetime
    state_since: dt.datetime | None
    sessions: int = field(default=0)
    """Wanted running here, those on their way included."""
    leaving: int = field(default=0)
    """Still here, and to move away."""


def register(tx: Tx, member: Member) -> Registration:
    """Enter this start of an instance under a new generation and take its own sessions over (platform scope)."""
    now = utc_now()
    row = repository.find_instance(tx, member.instance_id, lock=True)
    values: dict[str, Any] = {
        "url": member.url,
        "state": "healthy",
        "state_since": now,
        "capacity": member.capacity,
        "version": member.version,
        "host": member.host,
        "pid": member.pid,
        "storage": {**(member.storage or {}), "machine": member.machine} if member.machine else member.storage,
        "engine_pid": None,
        "connected": 0,
        "memory_bytes": 0,
        "cpu_percent": 0.0,
        "client_refused_at": None,
        "started_at": now,
        "renewed_at": now,
    }
    if row is None:
        index, generation, proven = _free_index(tx, member.instance_id), 1, True
        new = {"id": member.instance_id, "index": index, "generation": generation, "renewals": 0, "revision": 0}
        repository.insert_instance(tx, {**new, "released_generation": None, **values})
    else:
        index, generation = row["index"], row["generation"] + 1
        # on the same host the engine lock proves it before anything is opened
        proven = row["host"] in ("", member.host) or row["released_generation"] == row["generation"]
        counters = {"renewals": row["renewals"] + 1, "revision": row["revision"] + 1}
        repository.update_instance(tx, member.instance_id, {"generation": generation, **counters, **values})
    taken_over = repository.take_over_own(tx, member.instance_id, generation, now, proven=proven)
    platform_log.append(
        tx,
        "instance.up",
        {"instance": member.instance_id, "generation": generation, "sessions": taken_over, "version": member.version},
    )
    Wakeups.shared().notify_after_commit(tx, TOPIC)
    return Registration(member.instance_id, index, generation, taken_over, proven)


def _free_index(tx: Tx, instance_id: str) -> int:
    """Return the number at the end of the name if it is free (`instance-2` is 2), else the first above all others."""
    number = re.search(r"(?<!\d)\d{1,4}$", instance_id)
    if number is not None and repository.index_is_free(tx, int(number.group())):
        return int(number.group())
    return repository.next_index(tx)


def renew(tx: Tx, registration: Registration, figures: Figures | None = None) -> Renewal:
    """Renew the lease. The answer says whether it is renewed, and whether the set of sessions has changed."""
    figures = figures or Figures()
    row = repository.renew(
        tx,
        {
            "instance": registration.instance_id,
            "own_generation": registration.generation,
            "now": utc_now(),
            "now_connected": figures.connected,
            "now_memory": figures.memory_bytes,
            "now_cpu": figures.cpu_percent,
            "now_engine": figures.engine_pid,
        },
    )
    if row is None or row["generation"] != registration.generation:
        return Renewal("fenced")
    if row["state"] == "dead":
        return Renewal("dead", "dead", row["revision"])
    return Renewal("renewed", row["state"], row["revision"])


def rejoin(tx: Tx, registration: Registration) -> bool:
    """Come back after having been given up: False when somebody else has the name. What was reassigned stays away."""
    now = utc_now()
    row = repository.find_instance(tx, registration.instance_id, lock=True)
    if row is None or row["generation"] != registration.generation:
        return False
    if row["state"] == "dead":
        changes = {"state": "healthy", "state_since": now, "renewals": row["renewals"] + 1, "renewed_at": now}
        repository.update_instance(tx, registration.instance_id, {**changes, "revision": row["revision"] + 1})
        platform_log.append(
            tx, "instance.rejoined", {"instance": registration.instance_id, "generation": registration.generation}
        )
        Wakeups.shared().notify_after_commit(tx, TOPIC)
    return True


def sign_off(tx: Tx, registration: Registration) -> None:
    """Mark this instance as stopped with its engine host gone, unless a newer start has taken its place."""
    row = repository.find_instance(tx, registration.instance_id, lock=True)
    if row is None or row["generation"] != registration.generation:
        return
    _ended(tx, row, "instance.stopped")


def release(tx: Tx, instance_id: str, generation: int | None = None) -> bool:
    """Record that an instance's supervisor and engine host are gone; whoever calls this has proven it.

    `generation` None means the present one. False when there is no such instance or a newer start took its place.
    """
    row = repository.find_instance(tx, instance_id, lock=True)
    if row is None or (generation is not None and row["generation"] != generation):
        return False
    if row["released_generation"] != row["generation"]:
        _ended(tx, row, "instance.down")
    return True


def _ended(tx: Tx, row: RowMapping, event: str) -> None:
    # a session whose takeover was never finished keeps its doubt: somebody before us may still hold its older store
    changes: dict[str, Any] = {"released_generation": row["generation"], "connected": 0, "engine_pid": None}
    if row["state"] != "dead":
        changes |= {"state": "stopped", "state_since": utc_now()}
    repository.update_instance(tx, row["id"], {**changes, "revision": row["revision"] + 1})
    data = {"instance": row["id"], "generation": row["generation"], "proven": True}
    platform_log.append(tx, event, data)
    Wakeups.shared().notify_after_commit(tx, TOPIC)


def mark_dead(tx: Tx, instance_id: str, generation: int, renewals: int, *, silent_s: float) -> bool:
    """Give an instance up if its counter still stands where the watcher saw it; False when it has moved."""
    changes = {"state": "dead", "state_since": utc_now(), "connected": 0}
    marked = repository.update_instance(tx, instance_id, changes, generation=generation, renewals=renewals)
    if marked:
        data = {"instance": instance_id, "generation": generation, "proven": False, "silent_s": round(silent_s, 1)}
        platform_log.append(tx, "instance.down", data)
        Wakeups.shared().notify_after_commit(tx, TOPIC)
    return marked


def set_draining(tx: Tx, instance_id: str, *, draining: bool) -> bool:
    """Let an instance accept nothing new, or again; False when it is neither healthy nor draining."""
    row = repository.find_instance(tx, instance_id, lock=True)
    if row is None or row["state"] not in ("healthy", "draining"):
        return False
    wanted = "draining" if draining else "healthy"
    if row["state"] != wanted:
        changes = {"state": wanted, "state_since": utc_now(), "revision": row["revision"] + 1}
        repository.update_instance(tx, instance_id, changes)
        name = "instance.draining" if draining else "instance.resumed"
        platform_log.append(tx, name, {"instance": instance_id, "generation": row["generation"]})
        wake(tx, [instance_id])
    return True


def all_instances(tx: Tx) -> list[Instance]:
    """Return every instance that was ever registered, by index, with its load (platform scope)."""
    loads, leaving = repository.loads(tx), repository.leaving(tx)
    return [
        instance_of(row, loads.get(row["id"], 0), leaving.get(row["id"], 0)) for row in repository.all_instances(tx)
    ]


def find(tx: Tx, instance_id: str) -> Instance | None:
    """Return one instance."""
    row = repository.find_instance(tx, instance_id)
    if row is None:
        return None
    return instance_of(row, repository.load_of(tx, instance_id), repository.leaving(tx).get(instance_id, 0))


def wake(tx: Tx, instance_ids: Sequence[str]) -> None:
    """Tell instances after the commit that what they have to run has changed, and everybody that owners have."""
    for instance_id in instance_ids:
        Wakeups.shared().notify_after_commit(tx, f"instance:{instance_id}")
    Wakeups.shared().notify_after_commit(tx, TOPIC)


def instance_of(row: RowMapping, sessions: int, leaving: int = 0) -> Instance:
    """Return a row as others see it."""
    names = [name for name in Instance.__slots__ if name not in ("released", "sessions", "leaving")]
    values = {name: row[name] for name in names}
    released = row["released_generation"] == row["generation"]
    return Instance(**values, released=released, sessions=sessions, leaving=leaving)
