"""Endpoints about settings that all devices of a phone share, and about a made-up past."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from whatsim.control.phones import Net
from whatsim.control.schemas import Body, Number

router = APIRouter(prefix="/phones/{number}", tags=["settings"])


class ChatChange(Body):
    """What to set for a chat; what is left out stays."""

    chat: Number
    archived: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    muted_s: float | None = Field(default=None, ge=-1, le=31_536_000, description="0 ends the silence, -1 is for ever")


class ContactName(Body):
    """A name for the address book."""

    person: Number
    name: str = Field(min_length=1, max_length=128)


class LabelUse(Body):
    """A label of the phone, and a chat that shall carry it or not."""

    id: str = Field(pattern=r"^[0-9]{1,6}$")
    name: str | None = Field(default=None, min_length=1, max_length=100, description="makes or renames the label")
    colour: int = Field(default=0, ge=0, le=20)
    chat: Number | None = None
    labelled: bool = True


class Star(Body):
    """A message to star, or no longer."""

    chat: Number
    message_id: str = Field(min_length=1, max_length=128)
    starred: bool = True


class Past(Body):
    """How much of a past to make up."""

    chats: int = Field(ge=1, le=2_000)
    messages_each: int = Field(default=20, ge=1, le=1_000)
    days: float = Field(default=20, gt=0, le=365)


class ChatSettings(BaseModel):
    """What is set for a chat, by the phone or by one of its devices."""

    archived: bool
    pinned: bool
    unread: bool
    muted_until_ms: int
    labels: list[str]


class Filled(BaseModel):
    """The numbers of the people in the new chats."""

    numbers: list[str]


@router.get("/chat-settings", summary="What is set for a chat")
async def get_settings(network: Net, number: Number, chat: Annotated[str, Query(max_length=16)]) -> ChatSettings:
    found = network.settings.of_chat(number, chat)
    return ChatSettings(
        archived=found.archived,
        pinned=found.pinned,
        unread=found.unread,
        muted_until_ms=found.muted_until_ms,
        labels=list(found.labels),
    )


@router.post("/chat-settings", status_code=204, summary="Archive, pin, mute a chat or mark it unread")
async def change_settings(network: Net, number: Number, body: ChatChange) -> None:
    until = None
    if body.muted_s is not None:
        until = int(body.muted_s) if body.muted_s <= 0 else int((time.time() + body.muted_s) * 1000)
    await network.settings.change_chat(
        number, body.chat, archived=body.archived, pinned=body.pinned, unread=body.unread, muted_until_ms=until
    )


@router.post("/contacts", status_code=204, summary="Write a name into the address book")
async def name_contact(network: Net, number: Number, body: ContactName) -> None:
    await network.settings.name_contact(number, body.person, body.name)


@router.post("/labels", status_code=204, summary="Make a label, and put it on a chat or take it off")
async def use_label(network: Net, number: Number, body: LabelUse) -> None:
    if body.name is not None:
        await network.settings.edit_label(number, body.id, body.name, body.colour)
    if body.chat is not None:
        await network.settings.label_chat(number, body.chat, body.id, labelled=body.labelled)


@router.post("/stars", status_code=204, summary="Star a message, or no longer")
async def star(network: Net, number: Number, body: Star) -> None:
    await network.settings.star(number, body.chat, body.message_id, starred=body.starred)


@router.post("/past", status_code=201, summary="Make up chats with a past, to be handed over when a device is linked")
async def make_past(network: Net, number: Number, body: Past) -> Filled:
    return Filled(numbers=await network.history.fill(number, body.chats, body.messages_each, days=body.days))
