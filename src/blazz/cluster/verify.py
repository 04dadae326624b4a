"""Whether the cluster's rows make sense: who owns what, under which generation, and the platform's log."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import RowMapping

from blazz.cluster import repository_verify as repository
from blazz.kit.db import Tx
from blazz.kit.db.verify import EXAMPLES, Finding


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an account's session belongs, for the checks of other rooms."""

    workspace_id: uuid.UUID
    epoch: int
    running: bool


def placed(tx: Tx) -> dict[uuid.UUID, Placed]:
    """Return all assignments by account (platform scope)."""
    return {
        row["id"]: Placed(row["workspace_id"], row["epoch"], row["wanted"] == "running")
        for row in repository.all_assignments(tx)
    }


def verify_assignments(tx: Tx) -> Iterator[Finding]:
    """Yield assignments that name what is not there, or that nobody will ever run (platform scope)."""
    rows = repository.all_assignments(tx)
    generations = repository.generations(tx)

    def problem(code: str, found: Iterable[RowMapping], detail: str, advice: str) -> Iterator[Finding]:
        ids = [str(row["id"]) for row in found]
        if ids:
            yield Finding(code, "assignments", f"{len(ids)} {detail}", advice, len(ids), ids[:EXAMPLES])

    def owner(row: RowMapping) -> str | None:
        name: str | None = row["instance_id"]
        return name

    yield from problem(
        "instance_unknown",
        (row for row in rows if owner(row) is not None and owner(row) not in generations),
        "assignment(s) belong to an instance that is not registered.",
        "Start that instance once; it registers under its name. Or connect these numbers again: they are placed anew.",
    )
    yield from problem(
        "generation_impossible",
        (row for row in rows if row["generation"] > generations.get(str(owner(row)), row["generation"])),
        "assignment(s) name a generation of their instance that was never started.",
        "Was a backup restored in parts? Restart the instance until its generation is higher, or restore all of it.",
    )
    yield from problem(
        "nobody_runs_it",
        (row for row in rows if row["wanted"] == "running" and owner(row) is None and row["queued_at"] is None),
        "session(s) should run, belong to no instance and wait in no queue.",
        "Connect these numbers again: they are placed anew.",
    )
    yield from problem(
        "move_target_unknown",
        (row for row in rows if row["move_to"] is not None and row["move_to"] not in generations),
        "session(s) are to move to an instance that is not registered.",
        "Start that instance once, or resume or migrate again to set another target.",
    )


def verify_platform_log(tx: Tx) -> Iterator[Finding]:
    """Yield what is wrong with the log of the platform (platform scope)."""
    head, first, last, count = repository.platform_log(tx)
    if last > head:
        yield Finding(
            "event_head_behind",
            "platform log",
            f"The log reaches position {last}, its head says {head}: the next events will be refused.",
            f"Stop Blazz and set platform_heads.head to {last}.",
        )
    missing = last - first + 1 - count if count else 0
    if count and last < head:
        missing += head - last
    if missing:
        yield Finding(
            "events_missing",
            "platform log",
            f"{missing} of the positions {first} to {max(head, last)} have no event.",
            "Were events deleted by hand? The page Cluster shows moves without them; nothing else depends on it.",
            missing,
        )
