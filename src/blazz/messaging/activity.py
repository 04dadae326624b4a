"""When each number last had something to say, and the health score that follows from it: refreshed now and then."""

from __future__ import annotations

import uuid

from blazz.accounts import phone_silence
from blazz.accounts import service as accounts
from blazz.kit.db import Database, Platform, Tx
from blazz.messaging import repository

_SCOPE = Platform("health of all numbers")
_PAGE = 500  # accounts in one unit


async def refresh(database: Database) -> int:
    """Store last activity and health score of every number where they have changed; returns how many were looked at."""
    after: uuid.UUID | None = None
    looked = 0
    while True:
        page, last = await database.write(_SCOPE, _refresh_page, after)
        looked += page
        if last is None:
            return looked
        after = last


def _refresh_page(tx: Tx, after: uuid.UUID | None) -> tuple[int, uuid.UUID | None]:
    rows = accounts.page_of_all(tx, after, _PAGE)
    active = repository.last_activity(tx, [row["id"] for row in rows]) if rows else {}
    accounts.note_health(tx, rows, active)
    phone_silence.warn(tx, rows)
    return len(rows), rows[-1]["id"] if len(rows) == _PAGE else None
