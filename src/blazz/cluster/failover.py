"""Failover's transactions: sessions of an instance that is gone get a higher epoch and a new owner, many at once.

Each transaction checks three things by locking reads: that its maker still leads, that the instance is still gone, and
that each session is still there. So it is safe however late it comes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import RowMapping

from blazz.cluster import leadership, membership, moves, platform_log, repository
from blazz.cluster.capacity import MAXIMUM_CAPACITY, InstanceLoad
from blazz.cluster.placement import Move, Spread, WorkspaceSessions, spread
from blazz.kit import failpoints
from blazz.kit.db import Tx
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces

BATCH = 200  # sessions in one transaction


@dataclass(frozen=True, slots=True)
class Gone:
    """An instance that runs no more. `proven`: both of its processes are; else its lease has run out."""

    id: str
    generation: int
    proven: bool


def is_gone(instance: membership.Instance) -> bool:
    """Whether the sessions of an instance may be given to others."""
    return instance.state == "dead" or (instance.state == "stopped" and instance.released)


def plan(
    tx: Tx, gone: Gone, loads: Sequence[InstanceLoad], settings: Settings, *, most: int = BATCH
) -> tuple[int, Spread]:
    """Return how many sessions an instance left, and a place for the first `most` of them (platform scope).

    Places that were kept for what it was about to hand over are free for all of them.
    """
    rows = repository.assignments_of(tx, gone.id, "running")
    kept = Counter(row["move_to"] for row in rows if row["move_to"] is not None)
    loads = [replace(load, sessions=load.sessions - kept[load.id]) for load in loads]
    chosen = workspaces_of(tx, rows, leaving=gone.id)
    taken: list[WorkspaceSessions] = []
    room = most
    for one in chosen:
        if room <= 0:
            break
        taken.append(one)
        room -= len(one.accounts)
    result = spread(taken, loads, settings.placement_strategy, configured_count=settings.placement_instance_count)
    return len(rows), result


def workspaces_of(tx: Tx, rows: Sequence[RowMapping], *, leaving: str) -> list[WorkspaceSessions]:
    """Return assignments as placement takes them, the highest priority first.

    What their workspaces have on the instance that they leave does not count as present.
    """
    accounts: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for row in rows:
        accounts[row["workspace_id"]].append(row["id"])
    placing = workspaces.placing_of(tx, list(accounts))
    present = repository.present_of(tx, list(accounts)) if accounts else {}
    found = [
        WorkspaceSessions(
            workspace_id,
            placing[workspace_id].number,
            tuple(ids),
            placing[workspace_id].priority,
            {name: count for name, count in present.get(workspace_id, {}).items() if name != leaving},
        )
        for workspace_id, ids in accounts.items()
    ]
    return sorted(found, key=lambda one: (-one.priority, one.number))


def reassign(
    tx: Tx,
    term: leadership.Term,
    gone: Gone,
    planned: Sequence[Move],
    *,
    operation_id: uuid.UUID,
    away_at: dt.datetime,
) -> int:
    """Give planned sessions to their new owners; returns how many (platform scope).

    Raises NotLeading. Sessions whose instance came back, whose owner changed, or whose target has no room any more
    are left out.
    """
    leadership.check(tx, term)
    rows = {name: repository.find_instance(tx, name, lock=True) for name in _locked_order(gone, planned)}
    source = rows[gone.id]
    if source is None or source["generation"] != gone.generation or source["state"] not in ("dead", "stopped"):
        return 0
    failpoints.reach("failover.checked")
    wanted = {move.account_id: move for move in planned}
    owned = [row for row in repository.lock_assignments(tx, list(wanted)) if row["instance_id"] == gone.id]
    kept = repository.reserved_by(tx, gone.id)
    room = {
        name: min(row["capacity"], MAXIMUM_CAPACITY) - repository.occupied(tx, name) + kept.get(name, 0)
        for name, row in rows.items()
        if row is not None and row["state"] == "healthy"
    }
    changes, log = [], []
    now = utc_now()
    for row in owned:
        target = rows.get(wanted[row["id"]].target_id)
        if row["wanted"] != "running" or target is None or room.get(target["id"], 0) <= 0:
            continue
        room[target["id"]] -= 1
        changes.append(
            {
                "account": row["id"],
                "old_epoch": row["epoch"],
                "new_epoch": row["epoch"] + 1,
                "to_instance": target["id"],
                "to_generation": target["generation"],
                "from_instance": gone.id,
                "from_index": source["index"],
                # a takeover that was never finished leaves its doubt about the owner before that
                "closed": bool(gone.proven and row["previous_closed"]),
                "now": now,
            }
        )
        log.append(
            moves.NewMove(
                account_id=row["id"],
                workspace_id=row["workspace_id"],
                epoch=row["epoch"] + 1,
                from_instance_id=gone.id,
                to_instance_id=target["id"],
                reason="failover",
                operation_id=operation_id,
                away_at=away_at,
            )
        )
    repository.reassign(tx, changes)
    moves.record(tx, log)
    given = Counter(str(change["to_instance"]) for change in changes)
    repository.bump_revisions(tx, list(given))
    if changes:
        platform_log.append(
            tx, "cluster.moved", {"reason": "failover", "from": gone.id, "to": dict(given), "sessions": len(changes)}
        )
        membership.wake(tx, list(given))
    return len(changes)


def enqueue(tx: Tx, term: leadership.Term, gone: Gone, waiting: dict[uuid.UUID, str]) -> int:
    """Let sessions wait for room, visibly and with the reason; returns how many did not wait before."""
    leadership.check(tx, term)
    rows = [row for row in repository.lock_assignments(tx, list(waiting)) if row["instance_id"] == gone.id]
    by_reason: dict[str, list[uuid.UUID]] = defaultdict(list)
    for row in rows:
        if row["queue_reason"] != waiting[row["id"]][:255]:
            by_reason[waiting[row["id"]][:255]].append(row["id"])
    new = [row["id"] for row in rows if row["queued_at"] is None]
    repository.update_assignments(tx, new, {"queued_at": utc_now()})
    for reason, ids in by_reason.items():
        repository.update_assignments(tx, ids, {"queue_reason": reason})
    if new:
        platform_log.append(tx, "cluster.queued", {"instance": gone.id, "sessions": len(new)})
    return len(new)


def _locked_order(gone: Gone, planned: Sequence[Move]) -> list[str]:
    """One order for everybody who locks several instances: no deadlock between them."""
    return sorted({gone.id, *(move.target_id for move in planned)})
