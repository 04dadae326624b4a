"""The record of history imports: announced blobs, how far each is, and what the whole looks like to people."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection

from sqlalchemy import RowMapping

from blazz import events
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import shared_state
from blazz.messaging.healing import Seal
from blazz.messaging.history_model import ON_DEMAND, ImportJob
from blazz.messaging.repository import history as sql
from blazz.messaging.state_schemas import HistoryView

TRIES = 8  # of one blob, in a row without a piece stored
_FIRST_PAUSE_S = 1.0
_RECENT, _FULL = 3, 2
_SHOWN_FOR = dt.timedelta(days=30)
_PAUSE = dt.timedelta(minutes=2)
"""For so long after a part the phone may be preparing the next, unless it has said that there is none."""


def announce(
    tx: Tx,
    account_id: uuid.UUID,
    wa_message_id: str,
    notification: bytes,
    *,
    sync_type: int,
    progress: int,
    seal: Seal,
) -> bool:
    """Store that the phone has a blob for us; False when it is known. The scope is the number's workspace."""
    now, import_id = utc_now(), uuid7()
    return sql.add_import(
        tx,
        {
            "id": import_id,
            "workspace_id": tx.workspace_id,
            "account_id": account_id,
            "wa_message_id": wa_message_id[:128],
            "notification": seal(notification, f"history:{account_id}:{wa_message_id[:128]}"),
            "sync_type": sync_type,
            "progress": max(0, min(progress, 100)),
            "state": "waiting",
            "pieces": 0,
            "chats": 0,
            "messages": 0,
            "attempts": 0,
            "due_at": now,
            "created_at": now,
        },
    )


def due(tx: Tx, account_ids: Collection[uuid.UUID], now: dt.datetime) -> list[ImportJob]:
    """Return what is to be imported now (platform scope), one blob of each of these accounts: they are stored in the
    order of their notices.
    """
    return [_job(row) for row in sql.due_imports(tx, now) if row["account_id"] in account_ids]


def current(tx: Tx, job: ImportJob) -> ImportJob | None:
    """Return a job as it is now; None when it is gone."""
    row = sql.find_import(tx, job.workspace_id, job.id)
    return None if row is None else _job(row)


def finish(tx: Tx, job: ImportJob) -> None:
    """Note that a blob is stored and the phone knows."""
    sql.change_import(tx, job.workspace_id, job.id, {"state": "done", "notification": b"", "finished_at": utc_now()})
    if job.sync_type in (_RECENT, _FULL):
        shared_state.read_anew(tx, job.workspace_id, job.account_id)


def failed(tx: Tx, job: ImportJob, reason: str, *, final: bool) -> None:
    """Try a blob again later, or give it up when it can never be read or was tried often enough."""
    attempts = job.attempts + 1
    if not final and attempts < TRIES:
        pause = dt.timedelta(seconds=_FIRST_PAUSE_S * 2.0 ** (attempts - 1))
        sql.change_import(tx, job.workspace_id, job.id, {"attempts": attempts, "due_at": utc_now() + pause})
        return
    values = {"state": "failed", "failure": reason[:255], "notification": b"", "finished_at": utc_now()}
    sql.change_import(tx, job.workspace_id, job.id, values)
    data = {"import_id": str(job.id), "progress": job.progress, "on_demand": job.on_demand, "failed": True}
    events.append(tx, "history.progress", data, workspace_id=job.workspace_id, account_id=job.account_id)


def overview(tx: Tx, account_id: uuid.UUID) -> HistoryView:
    """Return the import of a number's past as people see it, without what was asked for later."""
    now = utc_now()
    rows = [
        row
        for row in sql.imports_of(tx, tx.workspace_id, account_id, now - _SHOWN_FOR)
        if row["sync_type"] != ON_DEMAND
    ]
    if not rows:
        return HistoryView(state="none", progress=0, chats=0, messages=0, failed=0)
    running = [row for row in rows if row["state"] in ("waiting", "stored")]
    whole = any(row["progress"] >= 100 and row["sync_type"] in (_RECENT, _FULL) for row in rows)
    coming = not whole and rows[-1]["created_at"] > now - _PAUSE
    ended = [row for row in rows if row not in running]
    lost = [row for row in ended if row["state"] == "failed"]
    progress = max((row["progress"] for row in rows if row["state"] != "waiting"), default=0)
    if running or coming:
        state = "running"
        progress = min(progress, 99)
    else:
        state = "failed" if len(lost) == len(rows) else "done"
        progress = 100
    return HistoryView.model_validate(
        {
            "state": state,
            "progress": progress,
            "chats": sum(row["chats"] for row in rows),
            "messages": sum(row["messages"] for row in rows),
            "failed": len(lost),
            "started_at": rows[0]["created_at"],
            "finished_at": None if state == "running" else max(row["finished_at"] for row in rows),
        }
    )


def context_of(job: ImportJob) -> str:
    """Return the context under which a job's notification is sealed."""
    return f"history:{job.account_id}:{job.wa_message_id}"


def _job(row: RowMapping) -> ImportJob:
    names = ("id", "workspace_id", "account_id", "wa_message_id", "notification", "sync_type")
    more = ("progress", "state", "pieces", "attempts")
    return ImportJob(**{name: row[name] for name in (*names, *more)})
