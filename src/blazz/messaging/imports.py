"""The record of history imports: announced blobs, how far each is, and how each ends."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence

from google.protobuf.message import DecodeError
from sqlalchemy import RowMapping

from blazz import events
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import HistorySyncNotification
from blazz.accounts import service as accounts
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import changes, requests, shared_state
from blazz.messaging.healing import Seal
from blazz.messaging.history_model import ON_DEMAND, ImportJob
from blazz.messaging.repository import history as sql

TRIES = 8  # of one blob, in a row without a piece stored
_FIRST_PAUSE_S = 1.0
_RECENT, _FULL = 3, 2
_UNFINISHED = frozenset({"waiting", "stored"})
_ORPHANED_AFTER = dt.timedelta(minutes=2)  # a pairing that is new may be stored a moment after its first blob


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
    """Store that the phone has a blob for us; False when it is known. The scope is the number's workspace.

    One that answers a request ends that request.
    """
    if sync_type == ON_DEMAND:
        requests.answered(tx, account_id, _request_of(notification))
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


def _request_of(notification: bytes) -> str:
    """Return the id of the message that a blob answers; empty where the phone does not say."""
    try:
        return HistorySyncNotification.FromString(notification).peerDataRequestSessionID
    except DecodeError:
        return ""


def due(tx: Tx, account_ids: Collection[uuid.UUID], now: dt.datetime) -> list[ImportJob]:
    """Return what is to be imported now (platform scope), one blob of each of these accounts: they are stored in the
    order of their notices.
    """
    return [_job(row) for row in sql.due_imports(tx, now) if row["account_id"] in account_ids]


def current(tx: Tx, job: ImportJob) -> ImportJob | None:
    """Return a job as it is now; None when it is gone."""
    row = sql.find_import(tx, job.workspace_id, job.id)
    return None if row is None else _job(row)


def under_way(tx: Tx, job: ImportJob) -> RowMapping | None:
    """Return the record of an import and hold it; None when it is gone or has ended."""
    row = sql.find_import(tx, job.workspace_id, job.id)
    return row if row is not None and row["state"] in _UNFINISHED else None


def finish(tx: Tx, job: ImportJob) -> None:
    """Note that a blob is stored and the phone knows.

    No other unit of the session may be under way meanwhile: what live deliveries and this import have left to each
    other is done now.
    """
    if under_way(tx, job) is None:
        return
    changes.catch_up_missed(tx, job.workspace_id, job.account_id)
    sql.change_import(tx, job.workspace_id, job.id, {"state": "done", "notification": b"", "finished_at": utc_now()})
    if job.sync_type in (_RECENT, _FULL):
        shared_state.read_anew(tx, job.workspace_id, job.account_id)


def failed(tx: Tx, job: ImportJob, reason: str, *, final: bool) -> None:
    """Try a blob again later, or give it up when it can never be read or was tried often enough."""
    if under_way(tx, job) is None:
        return
    attempts = job.attempts + 1
    if not final and attempts < TRIES:
        pause = dt.timedelta(seconds=_FIRST_PAUSE_S * 2.0 ** (attempts - 1))
        sql.change_import(tx, job.workspace_id, job.id, {"attempts": attempts, "due_at": utc_now() + pause})
        return
    values = {"state": "failed", "failure": reason[:255], "notification": b"", "finished_at": utc_now()}
    sql.change_import(tx, job.workspace_id, job.id, values)
    data = {"import_id": str(job.id), "progress": job.progress, "on_demand": job.on_demand, "failed": True}
    events.append(tx, "history.progress", data, workspace_id=job.workspace_id, account_id=job.account_id)


def interrupt(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, reason: accounts.LostPairing) -> None:
    """End the imports of a number that has lost its pairing, and tell of each; what they have stored stays.

    A blob that is stored as a whole is done: only its phone does not know.
    """
    _interrupt(tx, sql.unfinished_imports(tx, workspace_id, account_id), reason)


def _interrupt(tx: Tx, rows: Sequence[RowMapping], reason: accounts.LostPairing) -> None:
    for row in rows:
        values = {"notification": b"", "finished_at": utc_now()}
        if row["state"] == "stored":
            sql.change_import(tx, row["workspace_id"], row["id"], {**values, "state": "done"})
            continue
        sql.change_import(tx, row["workspace_id"], row["id"], {**values, "state": "interrupted", "failure": reason})
        data = {
            "import_id": str(row["id"]),
            "progress": None,
            "on_demand": row["sync_type"] == ON_DEMAND,
            "interrupted": reason,
        }
        events.append(tx, "history.progress", data, workspace_id=row["workspace_id"], account_id=row["account_id"])


async def interrupt_orphans(database: Database) -> None:
    """End imports of numbers that lost their pairing while no instance could note it."""
    scope = Platform("housekeeping of imports whose number is gone")
    for row in await database.read(scope, sql.accounts_importing, utc_now() - _ORPHANED_AFTER):
        await database.write(Workspace(row["workspace_id"]), _interrupt_orphan, row["account_id"])


def _interrupt_orphan(tx: Tx, account_id: uuid.UUID) -> None:
    # read before the pairing: what a pairing that is made meanwhile brings is not among them
    rows = sql.unfinished_imports(tx, tx.workspace_id, account_id)
    reason = accounts.lost_pairing(tx, account_id)
    if reason is not None:
        _interrupt(tx, rows, reason)


def context_of(job: ImportJob) -> str:
    """Return the context under which a job's notification is sealed."""
    return f"history:{job.account_id}:{job.wa_message_id}"


def _job(row: RowMapping) -> ImportJob:
    names = ("id", "workspace_id", "account_id", "wa_message_id", "notification", "sync_type")
    more = ("progress", "state", "pieces", "attempts")
    return ImportJob(**{name: row[name] for name in (*names, *more)})
