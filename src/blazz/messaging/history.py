"""Taking in what a phone hands over of its past: merged with what is here, each message once, in its place.

A message of history raises no event of its own, is not unread, and fetches no file by itself: one event
`history.progress` tells of a whole piece. Where it stands in its chat is explained in docs/decisions/0008.
"""

from __future__ import annotations

import datetime as dt
import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.contacts import service as contacts
from blazz.contacts.peers import Peer
from blazz.kit.db import Tx
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.messaging import changes, imports, kinds, repository
from blazz.messaging.healing import Seal, heal, plan_download
from blazz.messaging.history_model import (
    MAX_CHATS,
    MAX_DAYS,
    HistoryChat,
    HistoryMessage,
    HistoryPiece,
    Imported,
    ImportJob,
    Known,
)
from blazz.messaging.identities import Authors, learn
from blazz.messaging.inbound import row_of
from blazz.messaging.model import PreparedMessage
from blazz.messaging.newest import of_row
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
        _Piece(tx, job, seal, done).store(chats)
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
            kept.append(replace(chat, messages=recent))
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


@dataclass(slots=True)
class _Entry:
    """A message that is not here yet, with its chat."""

    item: HistoryMessage
    chat: repository.ChatState
    row: dict[str, Any]


class _Piece:
    """Stores the chats of one piece in one unit; the number of statements does not depend on how many there are."""

    def __init__(self, tx: Tx, job: ImportJob, seal: Seal, done: Imported) -> None:
        self._tx = tx
        self._job = job
        self._seal = seal
        self._done = done

    def store(self, chats: Sequence[HistoryChat]) -> None:
        """Store chats and messages, and count them."""
        tx, job = self._tx, self._job
        resolution = learn(tx, (peer for chat in chats for peer in self._peers(chat)))
        authors = Authors(resolution)
        states = self._states(chats, resolution.contact_ids)
        fresh, doubles, present = self._sort(chats, authors)
        heal(tx, doubles, authors, present, self._seal)
        before = sql.chats_by_id(tx, job.workspace_id, [state.id for state in states.values()])
        entries = [_Entry(item, states[at], self._row(item, states[at], authors)) for at, item in fresh]
        self._place(entries, before)
        self._insert(entries, authors)
        self._show(chats, states, entries, before)
        self._done.chat_ids = sorted({state.id for state in states.values()})
        self._done.new_chats = sum(row["last_message_at"] is None for row in before.values())
        self._done.messages = len(entries)

    def _peers(self, chat: HistoryChat) -> Iterable[Peer]:
        job = self._job
        if not chat.is_group and (chat.phone or chat.lid):
            yield Peer(job.workspace_id, chat.phone, chat.lid)
        for item in chat.messages:
            message = item.prepared.message
            if not message.from_me and (message.phone or message.lid):
                yield Peer(job.workspace_id, message.phone, message.lid, message.push_name)

    def _states(
        self, chats: Sequence[HistoryChat], contact_ids: Mapping[Peer, uuid.UUID]
    ) -> dict[int, repository.ChatState]:
        """Return the chat of each by its index, creating those that are missing."""
        job = self._job
        direct: dict[tuple[uuid.UUID, uuid.UUID], repository.NewChat] = {}
        others: dict[tuple[uuid.UUID, uuid.UUID, str], repository.NewChat] = {}
        keys: dict[int, Any] = {}
        for at, chat in enumerate(chats):
            new = repository.NewChat(job.workspace_id, job.account_id, chat.address, "direct", None)
            if chat.is_group or not (chat.phone or chat.lid):
                keys[at] = (job.workspace_id, job.account_id, chat.address)
                others[keys[at]] = replace(new, kind="group" if chat.is_group else "direct")
            else:
                contact_id = contact_ids[Peer(job.workspace_id, chat.phone, chat.lid)]
                keys[at] = (job.account_id, contact_id)
                direct[keys[at]] = replace(new, contact_id=contact_id)
        by_contact, by_address = repository.ensure_chats(self._tx, [job.workspace_id], direct, others)
        return {at: by_contact[key] if len(key) == 2 else by_address[key] for at, key in keys.items()}

    def _sort(
        self, chats: Sequence[HistoryChat], authors: Authors
    ) -> tuple[list[tuple[int, HistoryMessage]], list[PreparedMessage], set[Any]]:
        """Return what is not here yet by the index of its chat, and what is."""
        ids = {item.prepared.message.wa_message_id for chat in chats for item in chat.messages}
        job = self._job
        present = repository.present_identities(self._tx, [job.workspace_id], [job.account_id], ids)
        fresh, doubles = [], []
        for at, chat in enumerate(chats):
            for item in chat.messages:
                decoded = item.prepared.decoded
                if decoded is None or decoded.target is not None:
                    continue  # what changes have done is part of the messages that they changed
                identities = authors.identities(item.prepared.message)
                if present.isdisjoint(identities):
                    present.add(identities[0])
                    fresh.append((at, item))
                else:
                    doubles.append(item.prepared)
        return fresh, doubles, present

    def _row(self, item: HistoryMessage, chat: repository.ChatState, authors: Authors) -> dict[str, Any]:
        row = row_of(item.prepared, chat, authors.identity(item.prepared.message)[3])
        row["history_rank"] = item.rank
        row["starred_at"] = row["timestamp"] if item.starred else None
        if item.state is not None:
            row["state"] = item.state
        return row

    def _place(self, entries: Sequence[_Entry], before: Mapping[uuid.UUID, RowMapping]) -> None:
        """Put each message behind the last one with an event of its own that is not younger."""
        known = {chat_id for chat_id, row in before.items() if row["last_message_at"] is not None}
        rows = [entry.row for entry in entries if entry.chat.id in known]
        places: dict[uuid.UUID, _Places] = {}
        if rows:
            since = min(row["timestamp"] for row in rows)
            ids = {row["chat_id"] for row in rows}
            places = _places(sql.live_places(self._tx, self._job.workspace_id, ids, since))
        for entry in entries:
            found = places.get(entry.chat.id)
            entry.row["position"] = found.behind(entry.row["timestamp"]) if found is not None else 0

    def _insert(self, entries: Sequence[_Entry], authors: Authors) -> None:
        pending: list[media.PendingDownload] = []
        for entry in entries:
            entry.row["media_id"] = plan_download(entry.item.prepared, entry.row["id"], pending, self._seal)
        if pending:
            media.plan_downloads(self._tx, [replace(one, on_demand=True) for one in pending])
        reactions = self._react(entries, authors)
        rows = sorted((entry.row for entry in entries), key=lambda row: (row["position"], row["history_rank"]))
        sql.insert_messages(self._tx, [*rows, *reactions])
        # what came for them while they were not here
        changes.catch_up(self._tx, {(row["workspace_id"], row["account_id"], row["wa_message_id"]) for row in rows})

    def _react(self, entries: Sequence[_Entry], authors: Authors) -> list[dict[str, Any]]:
        """Fold reactions into their messages; returns their own rows, for the case that they come again."""
        rows: dict[Any, dict[str, Any]] = {}
        for entry in entries:
            for reaction in entry.item.reactions:
                decoded = reaction.decoded
                if decoded is None or decoded.kind != "reaction":
                    continue
                identity = authors.identity(reaction.message)
                row = row_of(reaction, entry.chat, identity[3])
                effect = kinds.kind_of(decoded.kind).effect(row, entry.row)
                if effect is not None:
                    entry.row.update(effect.columns)
                    rows[identity] = {**row, "position": 0, "target_id": entry.row["id"]}
        if not rows:
            return []
        job = self._job
        ids = {row["wa_message_id"] for row in rows.values()}
        present = repository.present_identities(self._tx, [job.workspace_id], [job.account_id], ids)
        return [row for identity, row in rows.items() if identity not in present]

    def _show(
        self,
        chats: Sequence[HistoryChat],
        states: Mapping[int, repository.ChatState],
        entries: Sequence[_Entry],
        before: Mapping[uuid.UUID, RowMapping],
    ) -> None:
        """Let chats show their newest message, and what the phone has set for them."""
        newest: dict[uuid.UUID, _Entry] = {}
        for entry in entries:
            best = newest.get(entry.chat.id)
            quiet = kinds.kind_of(entry.row["kind"]).quiet
            if not quiet and (best is None or _order(best.row) < _order(entry.row)):
                newest[entry.chat.id] = entry
        shown = [of_row(entry.chat, entry.row) for entry in newest.values()]
        sql.show_newest(
            self._tx,
            [
                {
                    "w": one.chat.workspace_id,
                    "i": one.chat.id,
                    "message": one.message_id,
                    "at": one.at,
                    "new_kind": one.kind,
                    "preview": one.preview,
                    "mine": one.from_me,
                }
                for one in shown
            ],
        )
        whole = {states[at].id: chat for at, chat in enumerate(chats)}
        settings = [_settings(chat, before[chat_id], self._job) for chat_id, chat in whole.items()]
        sql.set_chat_settings(self._tx, settings)


def _settings(chat: HistoryChat, row: RowMapping, job: ImportJob) -> dict[str, Any]:
    """Return what the phone has set for a chat; what was asked for on demand says nothing of that."""
    new = row["last_message_at"] is None
    inbound = sum(not item.prepared.message.from_me for item in chat.messages)
    kept = row if job.on_demand else None
    pinned_at = (row["pinned_at"] or utc_now()) if chat.pinned else None
    return {
        "w": row["workspace_id"],
        "i": row["id"],
        "archive": kept["archived"] if kept else chat.archived,
        "unread_mark": kept["marked_unread"] if kept else chat.marked_unread,
        "mute": kept["muted_until"] if kept else chat.muted_until,
        "pin": kept["pinned_at"] if kept else pinned_at,
        "more": chat.more_on_phone,
        "unread": min(chat.unread, inbound) if new and not kept else row["unread_count"],
    }


def _order(row: Mapping[str, Any]) -> tuple[dt.datetime, int]:
    return row["timestamp"], row["history_rank"]


class _Places:
    """The messages of a chat that have events of their own: moments in order, and the highest position until each."""

    def __init__(self, found: Iterable[tuple[dt.datetime, int]]) -> None:
        self._moments: list[dt.datetime] = []
        self._positions: list[int] = []
        highest = 0
        for moment, position in sorted(found):
            highest = max(highest, position)
            self._moments.append(moment.replace(microsecond=0))  # phones tell whole seconds
            self._positions.append(highest)

    def behind(self, moment: dt.datetime) -> int:
        """Return the position behind which a message of this moment stands; 0 in front of all."""
        at = bisect_right(self._moments, moment)
        return self._positions[at - 1] if at else 0


def _places(found: Iterable[tuple[uuid.UUID, dt.datetime, int]]) -> dict[uuid.UUID, _Places]:
    by_chat: dict[uuid.UUID, list[tuple[dt.datetime, int]]] = defaultdict(list)
    for chat_id, moment, position in found:
        by_chat[chat_id].append((moment, position))
    return {chat_id: _Places(ones) for chat_id, ones in by_chat.items()}
