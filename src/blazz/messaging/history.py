"""Taking in what a phone hands over of its past: merged with what is here, each message once, in its place.

A message of history raises no event of its own, is not unread, and fetches no file by itself: one event
`history.progress` tells of a whole piece. Where it stands in its chat is explained in docs/decisions/0008.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from blazz import events
from blazz.contacts import service as contacts
from blazz.contacts.peers import Peer
from blazz.kit.db import Tx
from blazz.kit.time import utc_now
from blazz.messaging import imports
from blazz.messaging.healing import Seal
from blazz.messaging.history_model import (
    MAX_CHATS,
    MAX_DAYS,
    HistoryChat,
    HistoryPiece,
    Imported,
    ImportJob,
    Known,
)
from blazz.messaging.history_writer import PieceWriter
from blazz.messaging.identities import learn
from blazz.messaging.repository import history as sql

_PROGRESS = "history.progress"


def store_piece(tx: Tx, job: ImportJob, piece: HistoryPiece, seal: Seal) -> Imported:
    """Store one piece and how far the import is; a piece that is here already does nothing.

    The scope is the job's workspace. The result says `ended` when the import is not under way any more.
    """
    row = imports.under_way(tx, job)
    if row is None or row["pieces"] >= piece.number:
        return Imported(ended=row is None)
    events.see_all_rows(tx, job.workspace_id)
    now = utc_now()
    done = Imported()
    chats = piece.chats if job.on_demand else _within_limits(tx, job, piece.chats, now)
    _learn_people(tx, job, chats, piece.people)
    if chats:
        PieceWriter(tx, job, seal, done).store(chats)
    values: dict[str, Any] = {
        "pieces": piece.number,
        "chats": row["chats"] + done.new_chats,
        "messages": row["messages"] + done.messages,
        "attempts": 0,
        "progress_at": now,
    }
    if piece.last:
        values["state"] = "stored"
    sql.change_import(tx, job.workspace_id, job.id, values)
    if done.messages or done.new_chats or piece.last:
        events.append(
            tx,
            _PROGRESS,
            {
                "import_id": str(job.id),
                "progress": job.progress if piece.last else None,
                "on_demand": job.on_demand,
                "chats": values["chats"],
                "messages": values["messages"],
                "chat_ids": [str(chat_id) for chat_id in done.chat_ids],
            },
            workspace_id=job.workspace_id,
            account_id=job.account_id,
        )
    return done


def _within_limits(tx: Tx, job: ImportJob, chats: Sequence[HistoryChat], now: dt.datetime) -> list[HistoryChat]:
    """Leave out messages older than 30 days, and chats beyond 500; phones send the newest first."""
    since = now - dt.timedelta(days=MAX_DAYS)
    day = now - dt.timedelta(days=1)
    taken = sum(one["chats"] for one in sql.imports_of(tx, job.workspace_id, job.account_id, day))
    kept: list[HistoryChat] = []
    for chat in chats:
        recent = [one for one in chat.messages if one.prepared.message.timestamp >= since]
        if recent and (taken + len(kept) < MAX_CHATS or chat.continued):
            more = chat.more_on_phone or len(recent) < len(chat.messages)
            kept.append(replace(chat, messages=recent, more_on_phone=more))
    return kept


def _learn_people(tx: Tx, job: ImportJob, chats: Sequence[HistoryChat], people: Sequence[Known]) -> None:
    """Take names and addresses of those who have a chat or are contacts; a phone knows many more."""
    if not people:
        return
    told = {value for chat in chats for value in (chat.phone, chat.lid) if value}
    known = contacts.find_many(tx, [(person.phone, person.lid) for person in people])
    learn(
        tx,
        [
            Peer(job.workspace_id, person.phone, person.lid, person.push_name, reason="history")
            for person, contact_id in zip(people, known, strict=True)
            if (person.phone or person.lid) and (contact_id or not told.isdisjoint((person.phone, person.lid)))
        ],
    )
