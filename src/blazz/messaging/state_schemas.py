"""Shapes of what a number shares with its phone."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal

from pydantic import AwareDatetime, Field

from blazz.kit.http import Model, RequestModel
from blazz.messaging.schemas import MessageView


class ChatChange(RequestModel):
    """What to set for a chat, here and on the number's phone; what is left out stays."""

    archived: bool = False
    pinned: bool = False
    muted_until: AwareDatetime | None = Field(None, description="Null or a past moment ends the silence.")
    unread: bool = Field(default=False, description="False also sets the unread count to zero.")
    labels: list[uuid.UUID] | None = Field(None, max_length=100, description="Exactly these labels of the number.")


class LabelView(Model):
    """A label of a business number. `colour` is a number of WhatsApp's palette of 20."""

    id: uuid.UUID
    account_id: uuid.UUID
    name: str
    colour: int
    chats: int = Field(description="How many chats carry it.")


class Labels(Model):
    """Labels, by name."""

    data: list[LabelView]


class StarChange(RequestModel):
    """Whether a message is starred."""

    starred: bool = True


class PinnedMessages(Model):
    """Pinned messages, newest first."""

    data: list[MessageView]


class OlderRequest(RequestModel):
    """How many messages before the oldest one to ask the phone for."""

    count: int = Field(50, ge=1, le=200)


class OlderView(Model):
    """What became of the last question for older messages of a chat.

    `waiting`: until the number is connected; `asked`: the phone has its time to answer; `unanswered`: it did not,
    though it was asked several times. Nothing (`none`) is left of one that was answered.
    """

    state: Literal["none", "waiting", "asked", "unanswered"]
    asked: int = Field(0, description="How often the phone was asked.")
    since: dt.datetime | None = None


class HistoryView(Model):
    """The import of a number's past after it was linked."""

    state: Literal["none", "running", "interrupted", "done", "failed"] = Field(
        description="`interrupted`: the number lost its pairing; what had come stays, linking it again begins anew."
    )
    reason: Literal["logged_out", "replaced", "removed"] | None = Field(
        None, description="Of an interrupted import: how the number lost its pairing."
    )
    waits_for: Literal["connection", "phone"] | None = Field(
        None, description="What a running import waits for: the number's connection, or more from its phone."
    )
    still_since: dt.datetime | None = Field(
        None, description="When a running import moved last, if that was more than two minutes ago."
    )
    progress: int = Field(description="Percent of what the phone wants to hand over.")
    chats: int = Field(description="Chats that were new.")
    messages: int
    failed: int = Field(description="Parts that could not be read; the rest was imported.")
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
