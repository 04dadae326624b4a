"""Routes of what a number shares with its phone: settings of chats, labels, stars, history."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.http import DatabaseDep, problems
from blazz.messaging import import_overview, pins, service, settings
from blazz.messaging.schemas import ChatView, MessageView
from blazz.messaging.state_schemas import (
    ChatChange,
    HistoryView,
    Labels,
    LabelView,
    OlderRequest,
    OlderView,
    PinnedMessages,
    StarChange,
)

router = APIRouter()
Reader = Annotated[Caller, Depends(needs("messages:read"))]
Writer = Annotated[Caller, Depends(needs("messages:write"))]
AccountReader = Annotated[Caller, Depends(needs("accounts:read"))]
_CHATS: list[Any] = ["Chats"]
_MESSAGES: list[Any] = ["Messages"]
_REFUSALS = problems(401, 403, 404, 409, 422)


@router.patch(
    "/chats/{chat_id}", tags=_CHATS, summary="Archive, pin, mute, label a chat or mark it unread", responses=_REFUSALS
)
async def change_chat(chat_id: uuid.UUID, body: ChatChange, caller: Writer, database: DatabaseDep) -> ChatView:
    """Takes effect here at once and on the number's phone when it can be reached."""
    await database.write(caller.scope, settings.change_chat, chat_id, body)
    return await database.read(caller.scope, service.get_chat, chat_id)


@router.get("/labels", tags=_CHATS, summary="Labels of the workspace's numbers")
async def list_labels(
    caller: Reader,
    database: DatabaseDep,
    account_id: Annotated[uuid.UUID | None, Query(description="Only those of this number.")] = None,
) -> Labels:
    """Return the labels that business numbers have, by name; they are made on the phone."""
    rows = await database.read(caller.scope, settings.labels_page, account_id)
    return Labels(data=[LabelView.model_validate(dict(row)) for row in rows])


@router.post("/messages/{message_id}/star", tags=_MESSAGES, summary="Star a message, or no longer", responses=_REFUSALS)
async def star_message(message_id: uuid.UUID, body: StarChange, caller: Writer, database: DatabaseDep) -> MessageView:
    """Takes effect here at once and on the number's phone when it can be reached."""
    await database.write(caller.scope, settings.star, message_id, starred=body.starred)
    return await database.read(caller.scope, service.get_message, message_id)


@router.get("/chats/{chat_id}/pinned", tags=_CHATS, summary="Pinned messages of a chat", responses=_REFUSALS)
async def list_pinned(chat_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> PinnedMessages:
    """Return the messages that stand at the top of the chat now, newest first, at most 20."""
    return PinnedMessages(data=await database.read(caller.scope, pins.pinned_messages, chat_id))


@router.post(
    "/chats/{chat_id}/history",
    tags=_CHATS,
    summary="Ask the phone for older messages of a chat",
    status_code=202,
    responses=_REFUSALS,
)
async def ask_for_history(chat_id: uuid.UUID, body: OlderRequest, caller: Writer, database: DatabaseDep) -> None:
    """They come, if the phone has them and is reachable, as history; the event `history.progress` tells of it."""
    await database.write(caller.scope, settings.ask_older, chat_id, body.count)


@router.get(
    "/chats/{chat_id}/history",
    tags=_CHATS,
    summary="Whether the phone owes older messages of a chat",
    responses=_REFUSALS,
)
async def get_older(chat_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> OlderView:
    """Tells whether the phone was asked, and when it does not answer: somebody must open WhatsApp on it then."""
    return await database.read(caller.scope, import_overview.older, chat_id)


@router.get(
    "/accounts/{account_id}/history",
    tags=["accounts"],
    summary="How far the import of a number's past is",
    responses=_REFUSALS,
)
async def get_history(account_id: uuid.UUID, caller: AccountReader, database: DatabaseDep) -> HistoryView:
    """Return the progress of what the phone hands over after the number was linked: 30 days, 500 chats."""
    return await database.read(caller.scope, import_overview.overview, account_id)
