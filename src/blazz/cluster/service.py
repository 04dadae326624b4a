"""Instances and which of them owns which session: registration, renewals, assignment with capacity."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz.cluster import repository
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError, conflict
from blazz.kit.time import utc_now

Wanted = Literal["running", "stopped"]


@dataclass(frozen=True, slots=True)
class Registration:
    """This start of an instance. `generation` is new at each; `taken_over` sessions got a higher epoch."""

    instance_id: str
    index: int
    generation: int
    taken_over: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who owns a session, and under which epoch."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    instance_id: str | None
    generation: int
    epoch: int
    wanted: Wanted


def register(tx: Tx, instance_id: str, *, capacity: int, version: str, url: str = "") -> Registration:
    """Enter this start of an instance under a new generation and take its own sessions over (platform scope)."""
    now = utc_now()
    row = repository.find_instance(tx, instance_id)
    values: dict[str, Any] = {
        "url": url,
        "state": "healthy",
        "capacity": capacity,
        "version": version,
        "started_at": now,
        "renewed_at": now,
    }
    if row is None:
        index, generation = repository.next_index(tx), 1
        repository.insert_instance(
            tx, {"id": instance_id, "index": index, "generation": generation, "renewals": 0, **values}
        )
    else:
        index, generation = row["index"], row["generation"] + 1
        repository.update_instance(
            tx, instance_id, {"generation": generation, "renewals": row["renewals"] + 1, **values}
        )
    taken_over = repository.take_over_own(tx, instance_id, generation, now)
    return Registration(instance_id, index, generation, taken_over)


def renew(tx: Tx, registration: Registration) -> bool:
    """Renew the lease with one statement; False when another process runs under this instance's name."""
    return repository.renew(tx, registration.instance_id, registration.generation, utc_now())


def sign_off(tx: Tx, registration: Registration) -> None:
    """Mark this instance as stopped, unless a newer start has taken its place (platform scope)."""
    row = repository.find_instance(tx, registration.instance_id)
    if row is not None and row["generation"] == registration.generation:
        repository.update_instance(tx, registration.instance_id, {"state": "stopped"})


def running_assignments(tx: Tx, instance_id: str) -> list[Assignment]:
    """Return the sessions that an instance owns and that are wanted running (platform scope)."""
    return [_assignment(row) for row in repository.assignments_of(tx, instance_id, "running")]


def assignment(tx: Tx, account_id: uuid.UUID) -> Assignment | None:
    """Return an account's assignment (platform scope)."""
    row = repository.find_assignment_anywhere(tx, account_id)
    return None if row is None else _assignment(row)


async def choose_instance(database: Database, account_id: uuid.UUID | None = None) -> Placement:
    """Return the least loaded healthy instance; for an account that has its place already, that place.

    Raises BlazzError `no_capacity` (409) with the way out, `no_instance` (503).
    """
    return await database.read(Platform("placement compares the load of all instances"), _choose, account_id)


@dataclass(frozen=True, slots=True)
class Placement:
    """An instance that had room a moment ago."""

    instance_id: str
    generation: int


def want_running(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, placement: Placement) -> int:
    """Assign a session (if nobody has it) and want it running; returns its epoch.

    A session that is assigned already stays where it is: moving it is failover's business.
    """
    now = utc_now()
    row = repository.find_assignment(tx, workspace_id, account_id)
    if row is None:
        repository.insert_assignment(
            tx,
            {
                "id": account_id,
                "workspace_id": workspace_id,
                "instance_id": placement.instance_id,
                "generation": placement.generation,
                "epoch": 1,
                "wanted": "running",
                "assigned_at": now,
                "previous_instance_id": None,
                "migration_count": 0,
                "last_migration_at": None,
            },
        )
        return 1
    changes: dict[str, Any] = {"wanted": "running"}
    epoch = int(row["epoch"])
    if row["instance_id"] is None:
        epoch += 1
        changes |= {
            "instance_id": placement.instance_id,
            "generation": placement.generation,
            "epoch": epoch,
            "assigned_at": now,
        }
    repository.update_assignment(tx, workspace_id, account_id, changes)
    return epoch


def want_stopped(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Want a session stopped; its owner keeps the store. Nothing happens when it was never assigned."""
    repository.update_assignment(tx, workspace_id, account_id, {"wanted": "stopped"})


def _choose(tx: Tx, account_id: uuid.UUID | None) -> Placement:
    rows = repository.instances_with_load(tx)
    if not rows:
        raise BlazzError("no_instance", "No instance is running; start one with: blazz up", 503)
    present = None if account_id is None else repository.find_assignment_anywhere(tx, account_id)
    if present is not None and present["wanted"] == "running":
        for row in rows:
            if row["id"] == present["instance_id"]:
                return Placement(row["id"], row["generation"])
    best = min(rows, key=lambda row: row["sessions"] / row["capacity"])
    if best["sessions"] >= best["capacity"]:
        total = sum(row["capacity"] for row in rows)
        raise conflict(
            "no_capacity",
            f"All {total} places for sessions are taken. Disconnect a number that is not needed, "
            "or raise BLAZZ_INSTANCE_CAPACITY (at most 750) and restart.",
        )
    return Placement(best["id"], best["generation"])


def _assignment(row: RowMapping) -> Assignment:
    return Assignment(
        account_id=row["id"],
        workspace_id=row["workspace_id"],
        instance_id=row["instance_id"],
        generation=row["generation"],
        epoch=row["epoch"],
        wanted=row["wanted"],
    )
