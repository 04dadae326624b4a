"""Messages that waited too long: a number that stays away sends nothing, so nobody claims them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.time import utc_now
from blazz.messaging import outbox, repository

_PAGE = 200  # rows in one unit


async def expire(database: Database) -> int:
    """Fail every queued message past its expiry, whatever became of its number; returns how many.

    One whose outcome is unknown never expires.
    """
    count = 0
    scope = Platform("housekeeping of messages that nobody sends")
    while rows := await database.read(scope, repository.overdue, utc_now(), _PAGE):
        by_workspace: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
        for row in rows:
            by_workspace[row["workspace_id"]].append(row["id"])
        for workspace_id, ids in by_workspace.items():
            count += await database.write(Workspace(workspace_id), _expire, ids)
    return count


def _expire(tx: Tx, ids: Sequence[uuid.UUID]) -> int:
    return outbox.expire(tx, repository.outbox_by_id(tx, [tx.workspace_id], ids), utc_now())
