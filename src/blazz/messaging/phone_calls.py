"""Telephone calls in a chat: one notice for each call, which says how it went; and what is answered by itself."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts.call_settings import CallSettings
from blazz.contacts.peers import Peer
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError
from blazz.kit.time import rfc3339, utc_now
from blazz.messaging import identities, notices, repository, sending
from blazz.messaging.addresses import is_group
from blazz.messaging.repository import notices as notice_rows
from blazz.messaging.schemas import SendMessage

EVENT = "call"
RINGS = dt.timedelta(seconds=60)
"""An offer that is older has ended, whatever was missed since."""
REPLY_EVERY = dt.timedelta(hours=1)
"""A caller gets the reply text at most once in this time."""
_REPLY_EXPIRES = dt.timedelta(hours=1)  # later it would puzzle
_CALLS_LOOKED_AT = 20

Stage = Literal["offered", "accepted", "rejected", "terminated"]
Status = Literal["ringing", "missed", "rejected", "answered_elsewhere"]


@dataclass(frozen=True, slots=True)
class CallNews:
    """What WhatsApp says of a call. `author` is the caller's canonical address, `group` empty for a direct call."""

    account_id: uuid.UUID
    call_id: str
    stage: Stage
    author: str
    phone: str | None
    lid: str | None
    group: str
    video: bool
    reason: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class CallStored:
    """What follows from a stored stage. `reject`: the call rings, and the number's setting declines it."""

    chat_id: uuid.UUID
    status: Status
    reject: bool = False


def store(tx: Tx, news: CallNews, settings: CallSettings) -> CallStored | None:
    """Store one stage of a call; None when there is nothing to show it in. The same stage again changes nothing."""
    events.see_all_rows(tx, tx.workspace_id)
    row = notice_rows.find(tx, tx.workspace_id, news.account_id, notice_key(news.call_id))
    if row is not None:
        return _later(tx, row, news)
    chat = _chat(tx, news)
    if chat is None:
        return None
    rings = news.stage == "offered" and utc_now() - news.at < RINGS
    reject = rings and settings.reject and not news.group
    status: Status = "rejected" if reject else "ringing" if rings else _ended("missed", news)
    data: dict[str, Any] = {"call_id": news.call_id, "video": news.video, "group": bool(news.group), "status": status}
    if reject:
        data["rejected_by"] = "setting"
        if settings.reply and _may_reply(tx, chat.id):
            data["replied_at"] = rfc3339(utc_now())
    added = notices.add(tx, chat, EVENT, data, key=notice_key(news.call_id), author=news.author, at=news.at)
    if added is not None and "replied_at" in data:
        _reply(tx, news.account_id, chat.id, settings.reply or "")
    return CallStored(chat.id, status, reject)


def _later(tx: Tx, row: RowMapping, news: CallNews) -> CallStored:
    data: dict[str, Any] = row["content"]["data"]
    before: Status = data["status"]
    if news.stage == "offered":
        # delivered again: it was not known whether the call was declined
        again = data.get("rejected_by") == "setting" and "ended_at" not in data
        return CallStored(row["chat_id"], before, again and utc_now() - news.at < RINGS)
    status = _ended(before, news)
    changed = {**data, "status": status, "ended_at": rfc3339(news.at)}
    if changed != data:
        columns = {"content": {**row["content"], "data": changed}}
        repository.change_message(tx, tx.workspace_id, row["id"], columns)
        told = {"message_id": str(row["id"]), "chat_id": str(row["chat_id"])}
        events.append(tx, "message.updated", told, account_id=news.account_id)
    return CallStored(row["chat_id"], status)


def _ended(before: Status, news: CallNews) -> Status:
    """Return how a call went, by its last known status and what came now."""
    if before in ("rejected", "answered_elsewhere"):
        return before
    if news.stage == "accepted" or news.reason == "accepted_elsewhere":
        return "answered_elsewhere"
    if news.stage == "rejected" or news.reason == "rejected_elsewhere":
        return "rejected"
    return "missed"


def _chat(tx: Tx, news: CallNews) -> repository.ChatState | None:
    """Return the chat of the caller, made when it is missing; of a group call the group's, if it is known."""
    if news.group or is_group(news.author):
        rows = repository.find_chats(tx, [tx.workspace_id], news.account_id, [news.group or news.author])
        return repository.chat_state(rows[0]) if rows else None
    if news.phone is None and news.lid is None:
        return None
    peer = Peer(tx.workspace_id, news.phone, news.lid)
    contact_id = identities.learn(tx, [peer]).contact_ids[peer]
    new = repository.NewChat(tx.workspace_id, news.account_id, news.author, "direct", contact_id)
    key = (news.account_id, contact_id)
    return repository.ensure_chats(tx, [tx.workspace_id], {key: new}, {})[0][key]


def _may_reply(tx: Tx, chat_id: uuid.UUID) -> bool:
    """Tell whether the caller has had no reply for a while."""
    since = utc_now() - REPLY_EVERY
    for row in notice_rows.newest(tx, tx.workspace_id, chat_id, _CALLS_LOOKED_AT):
        replied: str | None = _data(row).get("replied_at")
        if replied is not None and dt.datetime.fromisoformat(replied) > since:
            return False
    return True


def _reply(tx: Tx, account_id: uuid.UUID, chat_id: uuid.UUID, text: str) -> None:
    request = SendMessage.model_validate(
        {"account_id": str(account_id), "to": str(chat_id), "type": "text", "text": {"body": text}}
    )
    try:
        sending.send(tx, request, sending.Sender("api", None, _REPLY_EXPIRES))
    except BlazzError as error:
        if error.status >= 500:
            raise  # else the number cannot write now; that it was called is told all the same


def notice_key(call_id: str) -> str:
    """Return what tells the notice of a call from that of another one."""
    return f"call:{call_id}"


def _data(row: RowMapping) -> Mapping[str, Any]:
    data: Mapping[str, Any] = row["content"].get("data", {})
    return data
