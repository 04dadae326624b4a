"""Rows that tests below the HTTP interface begin with."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import insert

from blazz.kit.db import Database, Platform, Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.workspaces.tables import workspaces


async def make_workspaces(database: Database, count: int) -> list[uuid.UUID]:
    """Store empty workspaces and return their ids."""
    ids = [uuid7() for _ in range(count)]

    def work(tx: Tx) -> None:
        rows: list[dict[str, Any]] = [
            {
                "id": workspace_id,
                "number": number,
                "name": f"Workspace {number}",
                "timezone": "UTC",
                "default_country": "ID",
                "settings": {},
                "created_at": utc_now(),
                "deleted_at": None,
            }
            for number, workspace_id in enumerate(ids, 1)
        ]
        tx.execute(insert(workspaces), rows)

    await database.write(Platform("test data"), work)
    return ids
