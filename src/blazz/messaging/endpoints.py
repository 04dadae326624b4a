"""Routes of chats and messages."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Response

from blazz.cluster.commands import SessionCommands
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.errors import BlazzError
from blazz.kit.http import CommandsDep, CursorParam, DatabaseDep, LimitParam, Page, SettingsDep
from blazz.kit.http.idempotency import IdempotencyKeyParam, idempotent
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.messaging import sending, service
from blazz.messaging.schemas import (
    BatchAnswer,
    ChatView,
    MessageView,
    SendBatch,
    SendMessage,
    TypingState,
)

router = APIRouter()
_log = structlog.get_logger(__name__)
Reader = Annotated[Caller, Depends(needs("messages:read"))]
Writer = Annotated[Caller, Depends(needs("messages:write"))]
_CHATS: list[Any] = ["Chats"]
_MESSAGES: list[Any] = ["Messages"]


@router.post("/messages", tags=_MESSAGES, summary="Send a message", status_code=202, response_model=MessageView)
async def send_message(
    body: SendMessage,
    caller: Writer,
    database: DatabaseDep,
    settings: SettingsDep,
    idempotency_key: IdempotencyKeyParam = None,
) -> Response:
    """Queue a message. When this answers, it is stored and will be sent, in order, also after a crash."""
    request = idempotent("messages", idempotency_key, body)
    sender = _sender(caller, settings)
    return _json(await database.write(caller.scope, service.send_one, body, sender, request))


@router.post(
    "/messages/batch", tags=_MESSAGES, summary="Send up to 100 messages", status_code=202, response_model=BatchAnswer
)
async def send_batch(
    body: SendBatch,
    caller: Writer,
    database: DatabaseDep,
    settings: SettingsDep,
    idempotency_key: IdempotencyKeyParam = None,
) -> Response:
    """Queue many messages at once; each entry of the answer is a message or the problem with it."""
    request = idempotent("messages.batch", idempotency_key, body)
    sender = _sender(caller, settings)
    return _json(await database.write(caller.scope, service.send_many, body.messages, sender, request))


@router.get("/messages/{message_id}", tags=_MESSAGES, summary="A message")
async def get_message(message_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> MessageView:
    """Return a message with its delivery state."""
    return await database.read(caller.scope, service.get_message, message_id)


@router.post("/messages/{message_id}/retry", tags=_MESSAGES, summary="Try a failed message again", status_code=202)
async def retry_message(
    message_id: uuid.UUID, caller: Writer, database: DatabaseDep, settings: SettingsDep
) -> MessageView:
    """Queue a failed message again, under the same WhatsApp id."""
    sender = _sender(caller, settings)
    await database.write(caller.scope, sending.retry, message_id, sender)
    return await database.read(caller.scope, service.get_message, message_id)


@router.get("/chats", tags=_CHATS, summary="Chats, newest first", response_model=Page[ChatView])
async def list_chats(
    caller: Reader,
    database: DatabaseDep,
    search: Annotated[str | None, Query(max_length=128, description="Name, number or newest text.")] = None,
    account_id: Annotated[uuid.UUID | None, Query(description="Only chats of this number.")] = None,
    unread: Annotated[bool, Query(description="Only chats with unread messages.")] = False,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Response:
    """Return chats that have messages."""
    page = await database.read(
        caller.scope,
        service.list_chats,
        search=search,
        account_id=account_id,
        unread=unread,
        cursor=cursor,
        limit=limit,
    )
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/chats/{chat_id}", tags=_CHATS, summary="A chat")
async def get_chat(chat_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> ChatView:
    """Return a chat."""
    return await database.read(caller.scope, service.get_chat, chat_id)


@router.get(
    "/chats/{chat_id}/messages",
    tags=_CHATS,
    summary="Messages of a chat, newest first",
    response_model=Page[MessageView],
)
async def list_messages(
    chat_id: uuid.UUID, caller: Reader, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Response:
    """Return a page of messages; `next_cursor` leads to older ones."""
    page = await database.read(caller.scope, service.list_messages, chat_id, cursor=cursor, limit=limit)
    return Response(page.model_dump_json(), media_type="application/json")


@router.post("/chats/{chat_id}/read", tags=_CHATS, summary="Mark a chat as read", status_code=204)
async def mark_read(chat_id: uuid.UUID, caller: Writer, database: DatabaseDep, commands: CommandsDep) -> None:
    """Set the unread count to zero and tell WhatsApp, as far as it can be reached now."""
    marks = await database.write(caller.scope, service.mark_read, chat_id)
    if marks is not None:
        await _tell_read(commands, marks)


@router.post("/chats/{chat_id}/typing", tags=_CHATS, summary="Show that somebody types", status_code=204)
async def typing(
    chat_id: uuid.UUID, body: TypingState, caller: Writer, database: DatabaseDep, commands: CommandsDep
) -> None:
    """Show the customer that an answer is being written. Best effort: nothing is stored."""
    account_id, address = await database.read(caller.scope, service.chat_address, chat_id)
    try:
        await commands.typing(account_id, address, body.state)
    except BlazzError as error:
        _log.debug("typing not shown", code=error.code)


async def _tell_read(commands: SessionCommands, marks: service.ReadMarks) -> None:
    at = utc_now()
    for author, ids in marks.ids_by_author.items():
        try:
            await commands.mark_read(marks.account_id, marks.address, author if marks.is_group else "", ids, at)
        except BlazzError as error:
            _log.info("read receipt not sent", code=error.code)


def _sender(caller: Caller, settings: Settings) -> sending.Sender:
    source: Literal["api", "inbox"] = "inbox" if caller.user_id is not None else "api"
    return sending.Sender(source, caller.user_id, dt.timedelta(hours=settings.message_expiry_hours))


def _json(answer: service.Answer) -> Response:
    return Response(answer.body, status_code=answer.status, media_type="application/json")
