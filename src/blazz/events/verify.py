"""Whether the event logs are whole: every position from the oldest to the head that gives the next one."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from blazz.events.tables import event_heads, events
from blazz.kit.db import Tx
from blazz.kit.db.verify import Finding


def verify_logs(tx: Tx) -> Iterator[Finding]:
    """Yield what is wrong with the logs of all workspaces (platform scope). Reads the whole index of events."""
    last = func.max(events.c.position).label("last")
    logs = tx.all(
        select(events.c.workspace_id, event_heads.c.head, last)
        .outerjoin(event_heads, event_heads.c.workspace_id == events.c.workspace_id)
        .group_by(events.c.workspace_id, event_heads.c.head)
        .order_by(events.c.workspace_id)
    )
    for row in logs:
        if (row["head"] or 0) < row["last"]:
            yield Finding(
                "event_head_behind",
                f"workspace {row['workspace_id']}",
                f"The log reaches position {row['last']}, the head is {row['head']}: the next events will be refused.",
                f"Stop Blazz and set event_heads.head of this workspace to {row['last']}.",
            )
    present = func.count(events.c.position).label("present")
    wanted = events.c.position.between(event_heads.c.oldest, event_heads.c.head)
    heads = tx.all(
        select(event_heads.c.workspace_id, event_heads.c.head, event_heads.c.oldest, present)
        .outerjoin(events, (events.c.workspace_id == event_heads.c.workspace_id) & wanted)
        .group_by(event_heads.c.workspace_id, event_heads.c.head, event_heads.c.oldest)
        .order_by(event_heads.c.workspace_id)
    )
    for row in heads:
        missing = row["head"] - row["oldest"] + 1 - row["present"]
        if missing:
            yield Finding(
                "events_missing",
                f"workspace {row['workspace_id']}",
                f"{missing} of the positions {row['oldest']} to {row['head']} have no event.",
                "Were events deleted by hand? Restore the last backup; otherwise their readers go on without them.",
                missing,
            )
