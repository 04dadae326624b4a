"""How long the platform's log and the list of moves are kept."""

from __future__ import annotations

import datetime as dt

from blazz.cluster import moves, platform_log
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.time import utc_now

_SCOPE = Platform("housekeeping of the platform's log and of moves")


async def prune(database: Database, days: int) -> int:
    """Remove platform events and moves older than `days`; return how many. Operations, the audit trail, stay."""
    before = utc_now() - dt.timedelta(days=days)

    def work(tx: Tx) -> int:
        return platform_log.prune(tx, before) + moves.prune(tx, before)

    return await database.write(_SCOPE, work)
