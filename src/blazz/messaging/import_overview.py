"""What the import of a number's past looks like to people."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Literal

from sqlalchemy import RowMapping

from blazz.accounts import service as accounts
from blazz.kit.db import Tx
from blazz.kit.errors import not_found
from blazz.kit.time import utc_now
from blazz.messaging import repository, requests
from blazz.messaging.history_model import ON_DEMAND
from blazz.messaging.repository import history as sql
from blazz.messaging.state_schemas import HistoryView, OlderView

_WHOLE = frozenset({0, 2, 3})  # bootstrap, full, recent: the types whose progress is that of the whole
_SHOWN_FOR = dt.timedelta(days=30)
STILL_AFTER = dt.timedelta(minutes=2)
"""A phone needs less between two parts, and an instance between two pieces; what rests longer is said to rest."""
_AWAITED_FOR = dt.timedelta(days=1)
"""So long more is expected of a phone that has not said that this was all."""


def overview(tx: Tx, account_id: uuid.UUID) -> HistoryView:
    """Return the import of a number's past, without what was asked for later. Raises BlazzError `not_found`."""
    accounts.get(tx, account_id)
    now = utc_now()
    found = sql.imports_of(tx, tx.workspace_id, account_id, now - _SHOWN_FOR)
    rows = _of_last_link([row for row in found if row["sync_type"] != ON_DEMAND])
    if not rows:
        return HistoryView(state="none", progress=0, chats=0, messages=0, failed=0)
    lost = sum(row["state"] == "failed" for row in rows)
    view = HistoryView(
        state="failed" if lost == len(rows) else "done",
        progress=max((row["progress"] for row in rows if row["state"] in ("stored", "done", "failed")), default=0),
        chats=sum(row["chats"] for row in rows),
        messages=sum(row["messages"] for row in rows),
        failed=lost,
        started_at=rows[0]["created_at"],
        finished_at=max((row["finished_at"] for row in rows if row["finished_at"]), default=None),
    )
    if rows[-1]["state"] == "interrupted":
        return view.model_copy(update={"state": "interrupted", "reason": rows[-1]["failure"]})
    last = max(row["progress_at"] or row["created_at"] for row in rows)
    whole = any(row["progress"] >= 100 and row["sync_type"] in _WHOLE for row in rows)
    unfinished = any(row["state"] in ("waiting", "stored") for row in rows)
    if not unfinished and (whole or last <= now - _AWAITED_FOR):
        return view
    rests = last < now - STILL_AFTER
    by_phone = "phone" if rests and not unfinished else None
    running = {
        "state": "running",
        "finished_at": None,
        "progress": min(view.progress, 99),
        "still_since": last if rests else None,
        "waits_for": by_phone if accounts.is_connected(tx, account_id) else "connection",
    }
    return view.model_copy(update=running)


def older(tx: Tx, chat_id: uuid.UUID) -> OlderView:
    """Return what became of the last question for older messages of a chat. Raises BlazzError `not_found`."""
    chat = repository.find_chat(tx, tx.workspace_id, chat_id)
    if chat is None:
        raise not_found("chat")
    row = requests.older_request(tx, chat["account_id"], chat_id)
    if row is None:
        return OlderView(state="none")
    asked = len(row["body"].get("asked", ()))
    if row["body"].get("unanswered"):
        return OlderView(state="unanswered", asked=asked, since=row["created_at"])
    state: Literal["asked", "waiting"] = "asked" if accounts.is_connected(tx, chat["account_id"]) else "waiting"
    return OlderView(state=state if asked else "waiting", asked=asked, since=row["created_at"])


def _of_last_link(rows: Sequence[RowMapping]) -> Sequence[RowMapping]:
    """Leave out what belongs to a pairing before the present one: its import was interrupted, and began anew."""
    for at in range(len(rows) - 1, 0, -1):
        if rows[at - 1]["state"] == "interrupted" and rows[at]["state"] != "interrupted":
            return rows[at:]
    return rows
