"""Renews the claims of live statuses in bulk: a status that nobody renews becomes `unknown` by itself."""

from __future__ import annotations

import asyncio
import datetime as dt

import structlog

from blazz.accounts import service as accounts
from blazz.kit.db import Database, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.sessions.registry import Registry
from blazz.sessions.transitions import CLAIMS

_log = structlog.get_logger(__name__)
_GROUP = 500


async def renew_claims(database: Database, registry: Registry, settings: Settings) -> None:
    """Renew three times within a claim's life, until cancelled."""
    life = dt.timedelta(seconds=settings.status_claim_s)
    while True:
        await asyncio.sleep(settings.status_claim_s / 3)
        live = [session for session in registry if session.status in CLAIMS]
        for start in range(0, len(live), _GROUP):
            group = live[start : start + _GROUP]
            try:
                await database.write(
                    Workspaces.of(session.workspace_id for session in group),
                    accounts.renew_claims,
                    list({session.workspace_id for session in group}),
                    [session.account_id for session in group],
                    utc_now() + life,
                )
            except BlazzError as error:
                _log.warning("status claims not renewed", sessions=len(group), error=str(error))
