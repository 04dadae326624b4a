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
from blazz.kit.http import CommandsDep, CursorParam, DatabaseDep, LimitParam, Page, SettingsDep, problems
from blazz.kit.http.idempotency import IdempotencyKeyParam, idempotent
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.messaging import group_receipts, sending, service
from blazz.messaging.feeds import feed_kind
from blazz.messaging.recipients import RecipientCheck
from blazz.messaging.schemas import (
    BatchAnswer,
    ChatView,
    MessageChanges,
    MessageReceipts,
    MessageView,
    SendBatch,
    SendMessage,
    TypingState,
    message_schema,
)

router = APIRouter()
_log = structlog.get_logger(__name__)
_recipients = RecipientCheck()
Reader = Annotated[Caller, Depends(needs("messages:read"))]
Writer = Annotated[Caller, Depends(needs("messages:write"))]
_CHATS: list[Any] = ["Chats"]
_MESSAGES: list[Any] = ["Messages"]


@router.post("/messages", tags=_MESSAGES, summary="Send a message", status_code=202, response_model=MessageView)
async def send_message(
    body: SendMessage,
    caller: Writer,
    database: DatabaseDep,
    commands: CommandsDep,
    settings: SettingsDep,
    idempotency_key: IdempotencyKeyParam = None,
) -> Response:
    """Queue a message. When this answers, it is stored and will be sent, in order, also after a crash.

    422 `recipient_not_on_whatsapp` for a new number that WhatsApp does not know, as long as it can be asked.
    """
    request = idempotent("messages", idempotency_key, body)
    sender = _sender(caller, settings)
    refused = (await _recipients.refused(database, commands, caller.scope, [body])).get(0)
    return _json(await database.write(caller.scope, service.send_one, body, sender, request, refused))


@router.post(
    "/messages/batch", tags=_MESSAGES, summary="Send up to 100 messages", status_code=202, response_model=BatchAnswer
)
async def send_batch(
    body: SendBatch,
    caller: Writer,
    database: DatabaseDep,
    commands: CommandsDep,
    settings: SettingsDep,
    idempotency_key: IdempotencyKeyParam = None,
) -> Response:
    """Queue many messages at once; each entry of the answer is a message or the problem with it."""
    request = idempotent("messages.batch", idempotency_key, body)
    sender = _sender(caller, settings)
    refused = await _recipients.refused(database, commands, caller.scope, body.messages)
    return _json(await database.write(caller.scope, service.send_many, body.messages, sender, request, refused))


@router.get("/messages/{message_id}", tags=_MESSAGES, summary="A message")
async def get_message(message_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> MessageView:
    """Return a message with its delivery state."""
    return await database.read(caller.scope, service.get_message, message_id)


@router.get(
    "/messages/{message_id}/changes", tags=_MESSAGES, summary="What changed a message", response_model=MessageChanges
)
async def list_changes(
    message_id: uuid.UUID, caller: Reader, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Response:
    """Return edits, reactions, votes, pins and a deletion, the latest first, and the text as it was first written."""
    page = await database.read(caller.scope, service.list_changes, message_id, cursor=cursor, limit=limit)
    return Response(page.model_dump_json(), media_type="application/json")


class _SchemaResponse(Response):
    media_type = "application/schema+json"


@router.get(
    "/schemas/message.json",
    tags=_MESSAGES,
    summary="JSON Schema of messages",
    response_model=None,
    response_class=_SchemaResponse,
    responses={200: {"content": {_SchemaResponse.media_type: {"schema": {"type": "object"}}}}},
)
async def get_message_schema() -> Response:
    """Return the schema of a message to send (`SendMessage`) and of one that answers hold (`MessageView`)."""
    return _SchemaResponse(message_schema())


@router.get("/messages/{message_id}/receipts", tags=_MESSAGES, summary="Who has received and read a message")
async def list_receipts(message_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> MessageReceipts:
    """Return how far a message got with each person, readers first."""
    return await database.read(caller.scope, group_receipts.list_receipts, message_id)


@router.post("/messages/{message_id}/retry", tags=_MESSAGES, summary="Try a failed message again", status_code=202)
async def retry_message(
    message_id: uuid.UUID, caller: Writer, database: DatabaseDep, settings: SettingsDep
) -> MessageView:
    """Queue a failed message again, under the same WhatsApp id."""
    sender = _sender(caller, settings)
    await database.write(caller.scope, sending.retry, message_id, sender)
    return await database.read(caller.scope, service.get_message, message_id)


@router.get("/chats", tags=_CHATS, summary="Chats, pinned ones first, then the newest", response_model=Page[ChatView])
async def list_chats(
    caller: Reader,
    database: DatabaseDep,
    search: Annotated[str | None, Query(max_length=128, description="Name, number or newest text.")] = None,
    account_id: Annotated[uuid.UUID | None, Query(description="Only chats of this number.")] = None,
    unread: Annotated[bool, Query(description="Only chats with unread messages, or marked so.")] = False,
    archived: Annotated[
        bool | None, Query(description="Only archived chats, or only others (default; a search finds both).")
    ] = None,
    label: Annotated[uuid.UUID | None, Query(description="Only chats that carry this label.")] = None,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Response:
    """Return chats that have messages; pinned ones come first."""
    wanted = service.ChatFilter(search, account_id, unread, archived, label)
    page = await database.read(caller.scope, service.list_chats, wanted, cursor=cursor, limit=limit)
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


@router.post(
    "/chats/{chat_id}/typing",
    tags=_CHATS,
    summary="Show that somebody types",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def typing(
    chat_id: uuid.UUID, body: TypingState, caller: Writer, database: DatabaseDep, commands: CommandsDep
) -> None:
    """Show the customer that an answer is being written. Best effort: nothing is stored."""
    account_id, address = await database.read(caller.scope, service.chat_address, chat_id)
    try:
        await commands.typing(account_id, address, body.state)
    except BlazzError as error:
        _log.debug("typing not shown", code=error.code)


@router.post("/chats/{chat_id}/watch", tags=_CHATS, summary="Say that somebody looks at a chat now", status_code=204)
async def watch_chat(chat_id: uuid.UUID, caller: Reader, database: DatabaseDep, commands: CommandsDep) -> None:
    """To be repeated every 30 seconds while it is so. Best effort: nothing is stored.

    The customer is looked up when that was not done today. Where the number may show as online, it does so meanwhile,
    and the events `presence` and `typing` tell what the customer does, as far as they let others see it.
    """
    account_id, address, contact_id = await database.read(caller.scope, service.watched_chat, chat_id)
    if feed_kind(address) is not None:
        return
    try:
        await commands.watch_chat(account_id, address, contact_id)
    except BlazzError as error:
        _log.debug("chat not watched", code=error.code)


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
