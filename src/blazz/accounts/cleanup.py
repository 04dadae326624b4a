"""Clean-up: numbers that have been failed, disconnected or silent for long give their place back. Pairings are kept.

Product rule: failed for more than a day, disconnected for more than three, a claim that nobody renewed for more than
seven; at most ten in one run; each is written down.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

import structlog
from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import repository, service
from blazz.accounts.states import CLAIMS
from blazz.cluster import service as cluster
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.time import utc_now

_log = structlog.get_logger(__name__)
_SCOPE = Platform("clean-up of numbers that nobody uses")
FAILED_FOR = dt.timedelta(days=1)
DISCONNECTED_FOR = dt.timedelta(days=3)
SILENT_FOR = dt.timedelta(days=7)
PER_RUN = 10


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A number that was (or would be) cleaned up, and why."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    name: str
    why: str


async def clean_up(database: Database, *, dry_run: bool = False) -> list[Cleaned]:
    """Let sessions go that have been of no use for long; returns them. `dry_run` changes nothing."""
    if dry_run:
        return await database.read(_SCOPE, lambda tx: [_reason(row) for row in _due(tx)])
    cleaned = await database.write(_SCOPE, _clean)
    for one in cleaned:
        _log.info("number cleaned up", account=str(one.account_id), why=one.why)
    return cleaned


def _due(tx: Tx) -> list[RowMapping]:
    now = utc_now()
    return list(repository.idle(tx, now - FAILED_FOR, now - DISCONNECTED_FOR, now - SILENT_FOR, limit=PER_RUN))


def _clean(tx: Tx) -> list[Cleaned]:
    cleaned = []
    for row in _due(tx):
        workspace_id, account_id = row["workspace_id"], row["id"]
        one = _reason(row)
        if row["status"] in CLAIMS:
            service.set_status(tx, account_id, workspace_id, "disconnected", reason="unknown", detail=one.why)
        cluster.want_stopped(tx, workspace_id, account_id)
        repository.change(tx, workspace_id, account_id, {"last_cleanup_at": utc_now()})
        data = {"account_id": str(account_id), "changed": ["last_cleanup_at"], "why": one.why}
        events.append(tx, "account.updated", data, workspace_id=workspace_id, account_id=account_id)
        cleaned.append(one)
    return cleaned


def _reason(row: RowMapping) -> Cleaned:
    if row["status"] in CLAIMS:
        why = f"No instance has confirmed {row['status']!r} for more than {SILENT_FOR.days} days."
    elif row["status"] == "failed":
        why = f"Failed for more than {FAILED_FOR.days} day."
    else:
        why = f"Disconnected for more than {DISCONNECTED_FOR.days} days."
    return Cleaned(row["id"], row["workspace_id"], row["name"], why)
