"""Units of work behind the endpoints: send, send many, list chats and messages, mark as read."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, not_found
from blazz.kit.http import Page
from blazz.kit.http.cursors import decode_cursor, encode_cursor
from blazz.kit.http.idempotency import IdempotentRequest, recall, remember
from blazz.messaging import repository, sending, settings
from blazz.messaging.feeds import feed_kind, read_only
from blazz.messaging.kinds.edit import BEFORE
from blazz.messaging.schemas import (
    BatchAnswer,
    BatchItem,
    ChatView,
    MessageChanges,
    MessageView,
    OriginalText,
    SendMessage,
)
from blazz.messaging.views import chat_views, message_views

ACCEPTED = 202
_READ_MAX = 100  # ids in one read receipt


@dataclass(slots=True)
class Answer:
    """What a sending unit answers; `body` (JSON) is complete once the unit has finished."""

    status: int = ACCEPTED
    body: str = ""


def send_one(
    tx: Tx,
    request: SendMessage,
    sender: sending.Sender,
    idempotent: IdempotentRequest | None,
    refused: BlazzError | None = None,
) -> Answer:
    """Queue one message unless it is `refused` already, or repeat the answer of an earlier equal request."""
    answer = Answer()
    if idempotent is not None and _recalled(tx, idempotent, answer):
        return answer
    if refused is not None:
        raise refused
    queued: list[sending.Queued] = []

    def finish(last: Tx) -> None:
        answer.body = _views(last, queued)[0].model_dump_json()
        if idempotent is not None:
            remember(last, idempotent, answer.status, answer.body)

    tx.before_commit("messaging.answer", finish)
    queued.append(sending.send(tx, request, sender))
    return answer


def send_many(
    tx: Tx,
    requests: Sequence[SendMessage],
    sender: sending.Sender,
    idempotent: IdempotentRequest | None,
    refused: Mapping[int, BlazzError] | None = None,
) -> Answer:
    """Queue up to 100 messages in one unit; one that is refused (some may be already) leaves the others alone."""
    answer = Answer()
    if idempotent is not None and _recalled(tx, idempotent, answer):
        return answer
    queued: list[sending.Queued] = []
    outcomes: list[BlazzError | int] = []

    def finish(last: Tx) -> None:
        views = _views(last, queued)
        items = [
            BatchItem(message=views[outcome]) if isinstance(outcome, int) else BatchItem(error=_problem(outcome))
            for outcome in outcomes
        ]
        answer.body = BatchAnswer(data=items).model_dump_json()
        if idempotent is not None:
            remember(last, idempotent, answer.status, answer.body)

    tx.before_commit("messaging.answer", finish)
    for place, request in enumerate(requests):
        if refused and place in refused:
            outcomes.append(refused[place])
            continue
        try:
            queued.append(sending.send(tx, request, sender))
            outcomes.append(len(queued) - 1)
        except BlazzError as error:
            outcomes.append(error)
    return answer


def get_message(tx: Tx, message_id: uuid.UUID) -> MessageView:
    """Return a message. Raises BlazzError `not_found`."""
    row = repository.find_message(tx, tx.workspace_id, message_id)
    if row is None:
        raise not_found("message")
    return message_views(tx, [row])[0]


def list_changes(tx: Tx, message_id: uuid.UUID, *, cursor: str | None, limit: int) -> MessageChanges:
    """Return a page of what has changed a message. Raises BlazzError `not_found`."""
    row = repository.find_message(tx, tx.workspace_id, message_id)
    if row is None:
        raise not_found("message")
    before = decode_cursor(cursor, uuid.UUID)[0] if cursor else None
    rows = repository.change_page(tx, tx.workspace_id, row, before, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    first = (row["extras"] or {}).get(BEFORE) if row["deleted_at"] is None else None
    return MessageChanges.model_construct(
        data=message_views(tx, rows),
        next_cursor=encode_cursor(rows[-1]["id"]) if more else None,
        original=OriginalText.model_construct(body=first["body"]) if first is not None else None,
    )


@dataclass(frozen=True, slots=True)
class ChatFilter:
    """Which chats to list. `archived` None: those that are not, while searching all."""

    search: str | None = None
    account_id: uuid.UUID | None = None
    unread: bool = False
    archived: bool | None = None
    label_id: uuid.UUID | None = None


def list_chats(tx: Tx, wanted: ChatFilter, *, cursor: str | None, limit: int) -> Page[ChatView]:
    """Return a page of chats, pinned ones first, then the newest."""
    at_pinned, place = True, None
    if cursor:
        at_pinned, at, last_id = decode_cursor(cursor, bool, dt.datetime, uuid.UUID)
        place = (at, last_id)
    search = wanted.search if wanted.search and wanted.search.strip() else None
    archived = wanted.archived if wanted.archived is not None or search else False
    conditions: dict[str, Any] = {
        "account_id": wanted.account_id,
        "unread": wanted.unread,
        "archived": archived,
        "contact_ids": contacts.matching_ids(tx.workspace_id, search) if search else None,
        "pattern": contacts.like_pattern(search) if search else None,
        "chat_ids": settings.chats_with_label(tx, wanted.label_id) if wanted.label_id else None,
    }
    rows: list[RowMapping] = []
    if at_pinned:
        rows += repository.chat_page(tx, tx.workspace_id, pinned=True, before=place, limit=limit + 1, **conditions)
        place = None
    if len(rows) <= limit:
        room = limit + 1 - len(rows)
        rows += repository.chat_page(tx, tx.workspace_id, pinned=False, before=place, limit=room, **conditions)
    more = len(rows) > limit
    rows = rows[:limit]
    last = rows[-1] if more else None
    following = None
    if last is not None:
        following = encode_cursor(last["pinned_at"] is not None, last["last_message_at"], last["id"])
    return Page[ChatView].model_construct(data=chat_views(tx, rows), next_cursor=following)


def get_chat(tx: Tx, chat_id: uuid.UUID) -> ChatView:
    """Return a chat. Raises BlazzError `not_found`."""
    row = repository.find_chat(tx, tx.workspace_id, chat_id)
    if row is None:
        raise not_found("chat")
    return chat_views(tx, [row])[0]


def list_messages(tx: Tx, chat_id: uuid.UUID, *, cursor: str | None, limit: int) -> Page[MessageView]:
    """Return a page of a chat's messages, newest first."""
    if repository.find_chat(tx, tx.workspace_id, chat_id) is None:
        raise not_found("chat")
    before = decode_cursor(cursor, int, int) if cursor else None
    rows = repository.message_page(tx, tx.workspace_id, chat_id, before, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    following = encode_cursor(rows[-1]["position"], rows[-1]["history_rank"]) if more else None
    return Page[MessageView].model_construct(data=message_views(tx, rows), next_cursor=following)


@dataclass(frozen=True, slots=True)
class ReadMarks:
    """What must be told to WhatsApp: ids by author, for one chat."""

    account_id: uuid.UUID
    address: str
    ids_by_author: dict[str, list[str]]
    is_group: bool


def mark_read(tx: Tx, chat_id: uuid.UUID) -> ReadMarks | None:
    """Set a chat's unread count to zero; returns what to tell WhatsApp, None when nothing was unread."""
    events.see_all_rows(tx, tx.workspace_id)
    row = repository.find_chat(tx, tx.workspace_id, chat_id, for_update=True)
    if row is None:
        raise not_found("chat")
    if row["marked_unread"]:
        settings.unmark(tx, row)
    if row["unread_count"] == 0:
        return None
    unread = repository.unread_inbound(tx, tx.workspace_id, chat_id, min(row["unread_count"], _READ_MAX))
    repository.change_chat(tx, tx.workspace_id, chat_id, {"unread_count": 0})
    events.append(tx, "chat.updated", {"chat_id": str(chat_id), "unread_count": 0}, account_id=row["account_id"])
    by_author: dict[str, list[str]] = {}
    for message in unread:
        by_author.setdefault(message["author"], []).append(message["wa_message_id"])
    return ReadMarks(row["account_id"], row["address"], by_author, row["kind"] == "group")


def chat_address(tx: Tx, chat_id: uuid.UUID) -> tuple[uuid.UUID, str]:
    """Return account and WhatsApp address of a chat to write to. Raises BlazzError `not_found`, `chat_read_only`."""
    row = repository.find_chat(tx, tx.workspace_id, chat_id)
    if row is None:
        raise not_found("chat")
    if feed_kind(row["address"]) is not None:
        raise read_only()
    return row["account_id"], row["address"]


def watched_chat(tx: Tx, chat_id: uuid.UUID) -> tuple[uuid.UUID, str, uuid.UUID | None]:
    """Return account, WhatsApp address and contact of a chat. Raises BlazzError `not_found`."""
    row = repository.find_chat(tx, tx.workspace_id, chat_id)
    if row is None:
        raise not_found("chat")
    return row["account_id"], row["address"], row["contact_id"]


def _recalled(tx: Tx, idempotent: IdempotentRequest, answer: Answer) -> bool:
    stored = recall(tx, idempotent)
    if stored is None:
        return False
    answer.status, answer.body = stored.status, stored.answer
    return True


def _views(tx: Tx, queued: Sequence[sending.Queued]) -> list[MessageView]:
    groups = {one.row["chat_id"]: "group" for one in queued if one.in_group}
    return message_views(tx, [{**one.row, "position": one.draft.position} for one in queued], shared=groups)


def _problem(error: BlazzError) -> dict[str, object]:
    problem: dict[str, object] = {"status": error.status, "code": error.code, "detail": error.detail}
    if error.errors:
        problem["errors"] = [
            {"field": wrong.field, "message": wrong.message, "code": wrong.code} for wrong in error.errors
        ]
    return problem
