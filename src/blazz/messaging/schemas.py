"""What the API takes and gives for chats and messages. A message body is Meta's Cloud API message object."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from blazz.kit.http import Model, RequestModel

TEXT_MAX = 4096  # characters; WhatsApp Business Platform's limit of a text message
CAPTION_MAX = 1024
State = Literal["received", "pending", "sent", "delivered", "read", "played", "failed"]


class TextBody(RequestModel):
    """The text of a message."""

    body: str = Field(min_length=1, max_length=TEXT_MAX)
    preview_url: bool | None = Field(None, description="Accepted for compatibility; previews are not made.")

    @model_validator(mode="after")
    def _not_blank(self) -> TextBody:
        if not self.body.strip():
            raise PydanticCustomError("blank_text", "A text must hold more than white space.")
        return self


class MediaBody(RequestModel):
    """A file that was uploaded before, by its id."""

    id: uuid.UUID | None = None
    link: str | None = Field(None, max_length=2048, description="Not supported yet; upload the file and use its id.")
    caption: str | None = Field(None, max_length=CAPTION_MAX)
    filename: str | None = Field(None, max_length=255, description="Documents only.")


class ContextBody(RequestModel):
    """Marks a reply: the id of the message that it answers."""

    message_id: uuid.UUID


SendType = Literal["text", "image", "video", "audio", "document"]


class SendMessage(RequestModel):
    """A message to send; the field named like `type` holds its content."""

    account_id: uuid.UUID | None = Field(None, description="The sending number; the chat's own or the primary one.")
    to: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)] = Field(
        description="A phone number, a chat's or contact's id, or a WhatsApp address (`...@lid`)."
    )
    messaging_product: Literal["whatsapp"] | None = None
    recipient_type: Literal["individual"] | None = None
    type: SendType
    text: TextBody | None = None
    image: MediaBody | None = None
    video: MediaBody | None = None
    audio: MediaBody | None = None
    document: MediaBody | None = None
    context: ContextBody | None = None
    client_ref: str | None = Field(None, max_length=64, description="Your own mark; comes back with the message.")

    @model_validator(mode="after")
    def _content_fits_type(self) -> SendMessage:
        given = {name for name in ("text", "image", "video", "audio", "document") if getattr(self, name) is not None}
        if given != {self.type}:
            raise PydanticCustomError(
                "content_mismatch",
                "A message of type {type} has exactly one content field, {type}.",
                {"type": self.type},
            )
        return self

    @property
    def file(self) -> MediaBody | None:
        """The media content, None for a text."""
        return None if self.type == "text" else getattr(self, self.type)


class SendBatch(RequestModel):
    """Up to 100 messages; each succeeds or fails by itself."""

    messages: list[SendMessage] = Field(min_length=1, max_length=100)


class TypingState(RequestModel):
    """What the customer sees."""

    state: Literal["composing", "recording", "paused"]


class TextView(Model):
    """A text."""

    body: str


class MediaPart(Model):
    """A file of a message. `thumbnail` is a tiny blurred picture as a data URL."""

    id: uuid.UUID
    mime_type: str
    status: Literal["pending", "completed", "failed"]
    caption: str | None = None
    filename: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None
    voice: bool | None = None
    seconds: int | None = None


class UnsupportedPart(Model):
    """Something that WhatsApp delivered and that Blazz does not show yet; nothing of it is dropped."""

    kind: str | None = None


class ContextView(Model):
    """The message that this one answers; the id is null when it is not stored here."""

    message_id: uuid.UUID | None
    wa_message_id: str


class ErrorView(Model):
    """Why a message failed."""

    code: str
    message: str | None = None


class Author(Model):
    """Who of the team sent it."""

    id: uuid.UUID


class MessageView(Model):
    """A message of a chat."""

    id: uuid.UUID
    chat_id: uuid.UUID
    account_id: uuid.UUID
    direction: Literal["inbound", "outbound"]
    type: str
    text: TextView | None = None
    image: MediaPart | None = None
    video: MediaPart | None = None
    audio: MediaPart | None = None
    document: MediaPart | None = None
    unsupported: UnsupportedPart | None = None
    context: ContextView | None = None
    state: State
    error: ErrorView | None = None
    timestamp: dt.datetime
    wa_message_id: str
    position: int
    sent_by: Author | None = None
    source: Literal["customer", "api", "inbox", "phone"]
    client_ref: str | None = None


class LastMessage(Model):
    """The newest message of a chat, for the list."""

    id: uuid.UUID | None
    kind: str
    preview: str
    direction: Literal["inbound", "outbound"]
    state: State
    timestamp: dt.datetime


class ChatContact(Model):
    """The person of a chat."""

    id: uuid.UUID
    name: str | None
    push_name: str | None
    phone: str | None
    lid: str | None = None
    display_name: str


class ChatView(Model):
    """A conversation with one person on one number."""

    id: uuid.UUID
    account_id: uuid.UUID
    kind: Literal["direct", "group"]
    contact: ChatContact | None
    last_message: LastMessage | None
    unread_count: int
    last_message_at: dt.datetime | None


class BatchItem(Model):
    """The fate of one message of a batch: exactly one of the two."""

    message: MessageView | None = None
    error: dict[str, object] | None = None


class BatchAnswer(Model):
    """One entry per message, in the order of the request."""

    data: list[BatchItem]
