"""Who owns a session: finding a place for a new one, wanting it run or stopped, handing it to another instance.

Who changes an assignment locks the instance's row first and assignment rows in ascending order after it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz.cluster import capacity, membership, moves, platform_log, repository, routing
from blazz.cluster.capacity import InstanceLoad
from blazz.cluster.placement import ALREADY_THERE, Placement, choose
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces

Wanted = Literal["running", "stopped"]
_PLACING = Platform("placement compares the load of all instances")
_TRIES = 3  # to get a place that somebody else may take at the same moment
_WARNED_AGAIN = dt.timedelta(minutes=10)
_N_MINUS_ONE = "n_minus_one"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who owns a session, and under which epoch.

    `previous_closed`: the store of the epoch before is in nobody's hands. `move_to`: its owner shall hand it over.
    """

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    instance_id: str | None
    generation: int
    epoch: int
    wanted: Wanted
    previous_closed: bool = True
    move_to: str | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """A session that has a new owner now."""

    account_id: uuid.UUID
    to_instance_id: str
    epoch: int


class PlaceTaken(BlazzError):
    """The chosen instance has no place any more: choose again."""

    def __init__(self) -> None:
        super().__init__("place_taken", "The place was taken a moment ago. Try again.", 503)


def instance_loads(instances: Iterable[membership.Instance]) -> list[InstanceLoad]:
    """Return what placement compares."""
    return [
        InstanceLoad(
            item.id, item.index, item.generation, item.state, item.capacity, item.sessions, leaving=item.leaving
        )
        for item in instances
    ]


async def choose_instance(
    database: Database, settings: Settings, workspace_id: uuid.UUID, account_id: uuid.UUID | None = None
) -> Placement:
    """Return the instance for one more session of a workspace; for an account that has its place already, that place.

    `place` makes use of it. Raises BlazzError `no_capacity`, `n_minus_one` (409) with the way out, `no_instance` (503).
    """
    placement, shortage = await database.read(_PLACING, _choose, settings, workspace_id, account_id)
    if shortage is not None:
        await database.write(_PLACING, _warn, shortage)
        if settings.n_minus_one == "refuse":
            raise capacity.n_minus_one_refusal(shortage)
    return placement


async def place(database: Database, settings: Settings, workspace_id: uuid.UUID, account_id: uuid.UUID) -> int:
    """Find a session its place and want it running there; returns its epoch.

    Raises BlazzError as `choose_instance` does, `place_taken` (503) when others are always quicker.
    """
    tries = 1
    while True:
        placement = await choose_instance(database, settings, workspace_id, account_id)
        try:
            return await database.write(_PLACING, want_running, workspace_id, account_id, placement)
        except PlaceTaken:
            tries += 1
            if tries > _TRIES:
                raise


def want_running(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, placement: Placement) -> int:
    """Assign a session (if nobody has it) and want it running; returns its epoch (platform scope: it counts a load).

    A session that is assigned already stays where it is: moving it is failover's business. Raises PlaceTaken when the
    instance is full, draining or gone by now.
    """
    row = repository.find_assignment(tx, workspace_id, account_id)
    if row is not None and row["wanted"] == "running" and row["instance_id"] is not None:
        return int(row["epoch"])
    instance = _lock_place(tx, placement)
    row = repository.find_assignment(tx, workspace_id, account_id, lock=True)
    if placement.split:
        data = {"workspace_id": str(workspace_id), "instance": placement.instance_id, "why": placement.why}
        platform_log.append(tx, "cluster.workspace_split", data)
    owner: dict[str, Any] = {
        "instance_id": instance["id"],
        "generation": instance["generation"],
        "assigned_at": utc_now(),
    }
    if row is None:
        new = {"epoch": 1, "wanted": "running", "previous_closed": True, "migration_count": 0}
        repository.insert_assignment(tx, {"id": account_id, "workspace_id": workspace_id, **new, **owner})
        return 1
    epoch = int(row["epoch"])
    changes: dict[str, Any] = {"wanted": "running"}
    if row["instance_id"] != instance["id"]:
        # it ran elsewhere before, and nobody has proven that its store was closed there
        epoch += 1
        changes |= {"epoch": epoch, "previous_closed": row["instance_id"] is None, **owner}
    repository.update_assignment(tx, workspace_id, account_id, changes)
    return epoch


def want_stopped(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Want a session stopped; its owner keeps the store. Nothing happens when it was never assigned."""
    gone = {"wanted": "stopped", "move_to": None, "move_reason": None, "move_operation_id": None}
    repository.update_assignment(tx, workspace_id, account_id, {**gone, "queued_at": None, "queue_reason": None})


def hand_over(
    tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, epoch: int, away_at: dt.datetime, *, closed: bool = True
) -> HandOver | None:
    """Give a session that its owner has closed to the instance that it is to move to.

    None when it need not move any more, or its destination takes nothing: the owner then starts it again. `away_at` is
    when the owner closed it; `closed` says that nothing of it can touch the store any more.
    """
    seen = repository.find_assignment(tx, workspace_id, account_id)
    target_id = None if seen is None else seen["move_to"]
    if target_id is None:
        return None
    target = repository.find_instance(tx, target_id, lock=True)
    row = repository.find_assignment(tx, workspace_id, account_id, lock=True)
    if row is None or row["epoch"] != epoch or row["move_to"] != target_id:
        return None
    if target is None or target["state"] != "healthy" or row["wanted"] != "running":
        gone = {"move_to": None, "move_reason": None, "move_operation_id": None}
        repository.update_assignment(tx, workspace_id, account_id, gone)
        return None
    former = repository.find_instance(tx, row["instance_id"])
    now = utc_now()
    repository.update_assignment(
        tx,
        workspace_id,
        account_id,
        {
            "instance_id": target["id"],
            "generation": target["generation"],
            "epoch": epoch + 1,
            "assigned_at": now,
            "previous_closed": closed and row["previous_closed"],
            "previous_instance_id": row["instance_id"],
            "previous_instance_index": None if former is None else former["index"],
            "migration_count": row["migration_count"] + 1,
            "last_migration_at": now,
            "move_to": None,
            "move_reason": None,
            "move_operation_id": None,
        },
    )
    moves.record(
        tx,
        [
            moves.NewMove(
                account_id=account_id,
                workspace_id=workspace_id,
                epoch=epoch + 1,
                from_instance_id=row["instance_id"],
                to_instance_id=target["id"],
                reason=row["move_reason"] or "migrate",
                operation_id=row["move_operation_id"],
                away_at=away_at,
            )
        ],
    )
    repository.bump_revisions(tx, [target["id"]])
    membership.wake(tx, [target["id"]])
    routing.owner_changed(tx, account_id)
    return HandOver(account_id, target["id"], epoch + 1)


def note_connected(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, epoch: int) -> bool:
    """Note that a session has logged in under its present owner: its store is the newest, and its move is over.

    Tells whether it was taken over from another instance and logged in for the first time since.
    """
    repository.close_previous(tx, workspace_id, account_id)
    moved = moves.finish(tx, workspace_id, account_id, epoch)
    if moved:
        membership.wake(tx, [])
    return moved


def of_account(tx: Tx, account_id: uuid.UUID) -> Assignment | None:
    """Return an account's assignment (platform scope)."""
    row = repository.find_assignment_anywhere(tx, account_id)
    return None if row is None else _assignment(row)


def running_on(tx: Tx, instance_id: str, generation: int | None = None) -> list[Assignment]:
    """Return the sessions that an instance owns and that are wanted running (platform scope).

    With `generation`, none when another start has taken the instance's place.
    """
    rows: Sequence[RowMapping] = repository.assignments_of(tx, instance_id, "running")
    return [_assignment(row) for row in rows if generation is None or row["generation"] == generation]


def _choose(
    tx: Tx, settings: Settings, workspace_id: uuid.UUID, account_id: uuid.UUID | None
) -> tuple[Placement, capacity.CapacityCheck | None]:
    loads = instance_loads(membership.all_instances(tx))
    row = None if account_id is None else repository.find_assignment_anywhere(tx, account_id)
    if row is not None and row["wanted"] == "running" and row["instance_id"] is not None:
        return Placement(row["instance_id"], row["generation"], why="it has its place already"), None
    number = workspaces.placing_of(tx, [workspace_id])[workspace_id].number
    placement = choose(
        settings.placement_strategy,
        workspace_id,
        number,
        1,
        loads,
        present=repository.present_of(tx, [workspace_id]).get(workspace_id, {}),
        configured_count=settings.placement_instance_count,
    )
    if row is not None and row["instance_id"] is not None and not placement.split:
        # linked here before: the store is at hand, as far as there is room
        here = next((load for load in loads if load.id == row["instance_id"]), None)
        if here is not None and here.usable and here.room > 0 and placement.why != ALREADY_THERE:
            placement = Placement(here.id, here.generation, why="its store is there")
    check = capacity.n_minus_one_check(loads, 1)
    return placement, None if check.ok or settings.n_minus_one == "off" else check


def _warn(tx: Tx, check: capacity.CapacityCheck) -> None:
    """Raise the warning, at most every ten minutes."""
    known = moves.fact(tx, _N_MINUS_ONE)
    if known is not None and utc_now() - known.updated_at < _WARNED_AGAIN:
        return
    data = {"sessions": check.sessions, "places": check.places, "reason": check.reason}
    moves.set_fact(tx, _N_MINUS_ONE, data)
    platform_log.append(tx, "cluster.capacity_warning", data)


def _lock_place(tx: Tx, placement: Placement) -> RowMapping:
    row = repository.find_instance(tx, placement.instance_id, lock=True)
    if row is None or row["state"] != "healthy":
        raise PlaceTaken
    if repository.occupied(tx, placement.instance_id) >= min(row["capacity"], capacity.MAXIMUM_CAPACITY):
        raise PlaceTaken
    return row


def _assignment(row: RowMapping) -> Assignment:
    return Assignment(
        account_id=row["id"],
        workspace_id=row["workspace_id"],
        instance_id=row["instance_id"],
        generation=row["generation"],
        epoch=row["epoch"],
        wanted=row["wanted"],
        previous_closed=row["previous_closed"],
        move_to=row["move_to"],
    )
