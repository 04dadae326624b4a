"""Storing the chats of one piece of history: what is not here yet, in its place, with what changed it since."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping

from blazz.contacts.peers import Peer
from blazz.kit.db import Tx
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.messaging import changes, kinds, notices, repository
from blazz.messaging.healing import Seal, heal, plan_download
from blazz.messaging.history_model import HistoryChat, HistoryMessage, Imported, ImportJob
from blazz.messaging.history_places import Places, places_by_chat
from blazz.messaging.identities import Authors, Identity, learn, peer_of
from blazz.messaging.inbound import row_of
from blazz.messaging.kinds import Target
from blazz.messaging.model import PreparedMessage
from blazz.messaging.newest import of_row
from blazz.messaging.repository import history as sql

Change = tuple[dict[str, Any], Target]


@dataclass(slots=True)
class _Entry:
    """A message that is not here yet, with its chat."""

    item: HistoryMessage
    chat: repository.ChatState
    row: dict[str, Any]


@dataclass(slots=True)
class _Found:
    """What a piece holds, each with the index of its chat: new messages, those that are here, and new changes."""

    fresh: list[tuple[int, HistoryMessage]]
    doubles: list[PreparedMessage]
    changes: list[tuple[int, PreparedMessage]]
    present: set[Identity]


class PieceWriter:
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
        found = self._sort(chats, authors)
        heal(tx, found.doubles, authors, found.present, self._seal)
        before = sql.chats_by_id(tx, job.workspace_id, [state.id for state in states.values()])
        entries = [_Entry(item, states[at], self._row(item, states[at], authors)) for at, item in found.fresh]
        entries = self._without_told_notices(entries)
        self._place(entries, before)
        self._insert(entries, [self._change(item, states[at], authors) for at, item in found.changes])
        self._show(chats, states, entries, before)
        self._done.chat_ids = sorted({state.id for state in states.values()})
        self._done.new_chats = sum(row["last_message_at"] is None for row in before.values())
        self._done.messages = len(entries)

    def _peers(self, chat: HistoryChat) -> Iterable[Peer]:
        if not chat.is_group and (chat.phone or chat.lid):
            yield Peer(self._job.workspace_id, chat.phone, chat.lid)
        for item in chat.messages:
            for prepared in (item.prepared, *item.changes):
                peer = peer_of(prepared.message)
                if peer is not None:
                    yield peer

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

    def _sort(self, chats: Sequence[HistoryChat], authors: Authors) -> _Found:
        """Tell apart what is here and what is not. An edit whose message the phone does not give any more is that
        message, as it is now.
        """
        everything = [(at, item) for at, chat in enumerate(chats) for item in chat.messages]
        ids = {prepared.message.wa_message_id for _, item in everything for prepared in _all_of(item)}
        job = self._job
        present = repository.present_identities(self._tx, [job.workspace_id], [job.account_id], ids)
        found = _Found([], [], [], present)
        noted = [(at, change) for at, item in everything for change in item.changes]
        for at, item in everything:
            decoded = item.prepared.decoded
            if decoded is None:
                continue
            if decoded.target is None:
                self._add(found, at, item, authors)
            elif item.instead is None:
                noted.append((at, item.prepared))
        for at, item in everything:
            if item.instead is None:
                continue
            if present.isdisjoint(authors.identities(item.instead.message)):
                self._add(found, at, replace(item, prepared=item.instead, instead=None), authors)
            else:
                noted.append((at, item.prepared))
        for at, change in noted:
            identities = authors.identities(change.message)
            if present.isdisjoint(identities):
                present.add(identities[0])
                found.changes.append((at, change))
        return found

    @staticmethod
    def _add(found: _Found, at: int, item: HistoryMessage, authors: Authors) -> None:
        identities = authors.identities(item.prepared.message)
        if found.present.isdisjoint(identities):
            found.present.add(identities[0])
            found.fresh.append((at, item))
        else:
            found.doubles.append(item.prepared)

    def _row(self, item: HistoryMessage, chat: repository.ChatState, authors: Authors) -> dict[str, Any]:
        row = row_of(item.prepared, chat, authors.identity(item.prepared.message)[3])
        row["history_rank"] = item.rank
        row["starred_at"] = row["timestamp"] if item.starred else None
        row["edited_at"] = item.edited_at
        if row["kind"] == "system":
            row["source"] = "system"
        if item.state is not None:
            row["state"] = item.state
        return row

    @staticmethod
    def _change(item: PreparedMessage, chat: repository.ChatState, authors: Authors) -> Change:
        assert item.decoded is not None
        assert item.decoded.target is not None
        return row_of(item, chat, authors.identity(item.message)[3]), item.decoded.target

    def _without_told_notices(self, entries: list[_Entry]) -> list[_Entry]:
        """Leave out notices of what was told here already when it happened, under a name that history does not know."""
        told = [entry.row for entry in entries if entry.row["kind"] == "system"]
        if not told:
            return entries
        known = notices.Known.around(self._tx, told)
        return [entry for entry in entries if entry.row["kind"] != "system" or not known.has(entry.row)]

    def _place(self, entries: Sequence[_Entry], before: Mapping[uuid.UUID, RowMapping]) -> None:
        """Put each message behind the last one with an event of its own that is not younger."""
        known = {chat_id for chat_id, row in before.items() if row["last_message_at"] is not None}
        rows = [entry.row for entry in entries if entry.chat.id in known]
        places: dict[uuid.UUID, Places] = {}
        if rows:
            since = min(row["timestamp"] for row in rows)
            ids = {row["chat_id"] for row in rows}
            places = places_by_chat(sql.live_places(self._tx, self._job.workspace_id, ids, since))
        for entry in entries:
            found = places.get(entry.chat.id)
            entry.row["position"] = found.behind(entry.row["timestamp"]) if found is not None else 0

    def _insert(self, entries: Sequence[_Entry], changed: Sequence[Change]) -> None:
        pending: list[media.PendingDownload] = []
        for entry in entries:
            entry.row["media_id"] = plan_download(entry.item.prepared, entry.row["id"], pending, self._seal)
        if pending:
            media.plan_downloads(self._tx, [replace(one, on_demand=True) for one in pending])
        rows = sorted((entry.row for entry in entries), key=lambda row: (row["position"], row["history_rank"]))
        changes.merge(self._tx, rows, changed)
        sql.insert_messages(self._tx, [*rows, *({**row, "position": 0} for row, _ in changed)])
        # what came for them while they were not here
        changes.catch_up(self._tx, {(row["workspace_id"], row["account_id"], row["wa_message_id"]) for row in rows})

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


def _all_of(item: HistoryMessage) -> Iterable[PreparedMessage]:
    yield item.prepared
    yield from item.changes
    if item.instead is not None:
        yield item.instead


def _settings(chat: HistoryChat, row: RowMapping, job: ImportJob) -> dict[str, Any]:
    """Return what the phone has set for a chat; what was asked for on demand says nothing of that."""
    new = row["last_message_at"] is None
    kept = row if job.on_demand else None
    pinned_at = (row["pinned_at"] or utc_now()) if chat.pinned else None
    return {
        "w": row["workspace_id"],
        "i": row["id"],
        "archive": kept["archived"] if kept else chat.archived,
        "unread_mark": kept["marked_unread"] if kept else chat.marked_unread,
        "mute": kept["muted_until"] if kept else chat.muted_until,
        "pin": kept["pinned_at"] if kept else pinned_at,
        "more": chat.more_on_phone or (chat.continued and bool(row["more_on_phone"])),
        "unread": min(chat.unread, _inbound(chat)) if new and not kept else row["unread_count"],
    }


def _inbound(chat: HistoryChat) -> int:
    """Count what may be unread: messages of others, neither changes nor notices."""
    found = (item.prepared for item in chat.messages if not item.prepared.message.from_me)
    decoded = (one.decoded for one in found if one.decoded is not None)
    return sum(one.target is None and not kinds.kind_of(one.kind).quiet for one in decoded)


def _order(row: Mapping[str, Any]) -> tuple[dt.datetime, int]:
    return row["timestamp"], row["history_rank"]
