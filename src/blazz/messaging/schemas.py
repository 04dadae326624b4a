"""What the API takes and gives for chats and messages. A message body is Meta's Cloud API message object."""

from __future__ import annotations

import datetime as dt
import functools
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, create_model, model_validator
from pydantic_core import PydanticCustomError

from blazz.contacts.views import ContactSummary
from blazz.kit.http import Model, Page, RequestModel
from blazz.messaging import kinds

State = Literal["received", "pending", "sent", "delivered", "read", "played", "failed"]


MENTIONS_MAX = 100  # people that one message of ours mentions


class ContextBody(RequestModel):
    """What the message refers to."""

    message_id: uuid.UUID | None = Field(None, description="The message that it answers.")
    mentions: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]] = Field(
        default_factory=list,
        max_length=MENTIONS_MAX,
        description="People that the text names as `@digits of their address`: ids of contacts, numbers or addresses.",
    )
    forwarded: bool = Field(False, description="Show it as forwarded.")


class SendBase(RequestModel):
    """A message to send; the field named like `type` holds its content."""

    account_id: uuid.UUID | None = Field(None, description="The sending number; the chat's own or the primary one.")
    to: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)] = Field(
        description="A phone number, a chat's or contact's id, a WhatsApp address (`...@lid`), `@username`, or a "
        "business-scoped id; the last two of a contact that has them."
    )
    messaging_product: Literal["whatsapp"] | None = None
    recipient_type: Literal["individual", "group"] | None = None
    type: str
    context: ContextBody | None = None
    client_ref: str | None = Field(None, max_length=64, description="Your own mark; comes back with the message.")

    @model_validator(mode="after")
    def _content_fits_type(self) -> SendBase:
        given = {kind.name for kind in kinds.SENDABLE if getattr(self, kind.name) is not None}
        if given != {self.type}:
            raise PydanticCustomError(
                "content_mismatch",
                "A message of type {type} has exactly one content field, {type}.",
                {"type": self.type},
            )
        return self

    @property
    def content(self) -> Any:
        """The content object."""
        return getattr(self, self.type)


if TYPE_CHECKING:
    SendMessage = SendBase
else:
    SendMessage = create_model(
        "SendMessage",
        __base__=SendBase,
        __doc__=SendBase.__doc__,
        type=(Literal[tuple(kind.name for kind in kinds.SENDABLE)], ...),
        **{kind.name: (kind.request | None, None) for kind in kinds.SENDABLE},
    )


class SendBatch(RequestModel):
    """Up to 100 messages; each succeeds or fails by itself."""

    messages: list[SendMessage] = Field(min_length=1, max_length=100)


class TypingState(RequestModel):
    """What the customer sees."""

    state: Literal["composing", "recording", "paused"]


class Mentioned(Model):
    """Somebody whom a text names as `@digits of their address`."""

    address: str
    name: str | None = Field(description="As chats show them; null for a stranger.")
    is_us: bool = Field(description="The number that has the chat.")


class ContextView(Model):
    """What a message refers to; `message_id` is null when the message that it answers is not stored here."""

    message_id: uuid.UUID | None = None
    wa_message_id: str | None = None
    mentions: list[str] = Field(default_factory=list, description="WhatsApp addresses of the people it names.")
    mentioned: list[Mentioned] = Field(default_factory=list, description="Those of them whom the text shows.")
    forwarded: bool = False
    frequently_forwarded: bool = False


class ReactionView(Model):
    """An emoji of one person. `author` is a WhatsApp address, empty for our own."""

    emoji: str
    author: str
    from_me: bool
    at: dt.datetime


class ErrorView(Model):
    """Why a message failed."""

    code: str
    message: str | None = None


class Author(Model):
    """Who of the team sent it."""

    id: uuid.UUID


class ChatContact(Model):
    """A person as chats show them."""

    id: uuid.UUID
    name: str | None
    push_name: str | None
    phone: str | None
    lid: str | None = None
    username: str | None = None
    business_id: str | None = None
    verified_name: str | None = None
    picture_id: uuid.UUID | None = None
    display_name: str

    @classmethod
    def of(cls, person: ContactSummary | None) -> ChatContact | None:
        """Return what is shown of a contact."""
        if person is None:
            return None
        return cls.model_construct(**{name: getattr(person, name) for name in cls.model_fields})


class ReceiptCounts(Model):
    """How many of a group's other members a message has reached."""

    recipients: int = Field(description="How many it was sent to; 0 while that is not known.")
    delivered: int
    read: int
    played: int


class RecipientReceipt(Model):
    """How far a message got with one person."""

    address: str
    contact: ChatContact | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    played_at: dt.datetime | None


class MessageReceipts(Model):
    """Who has received and read a message, readers first. Whom it has not reached is not listed."""

    sent_at: dt.datetime | None = Field(
        None, description="Of one of ours: when WhatsApp's server had it; null before that, and for older messages."
    )
    data: list[RecipientReceipt]
    counts: ReceiptCounts


class MessageBase(Model):
    """A message of a chat; the field named like `type` holds its content, unless it was deleted."""

    id: uuid.UUID
    chat_id: uuid.UUID
    account_id: uuid.UUID
    direction: Literal["inbound", "outbound"]
    type: str
    author: str = Field("", description="WhatsApp address of who wrote it; empty for our own.")
    sender: ChatContact | None = Field(None, description="In groups: the contact who wrote it.")
    receipts: ReceiptCounts | None = Field(None, description="Of our messages in groups.")
    context: ContextView | None = None
    state: State
    error: ErrorView | None = None
    timestamp: dt.datetime
    wa_message_id: str
    position: int
    history_rank: int = Field(0, description="Order within a position; above 0 for what came as history.")
    sent_by: Author | None = None
    source: Literal["customer", "api", "inbox", "phone", "system"]
    client_ref: str | None = None
    reactions: list[ReactionView] = Field(default_factory=list)
    edited_at: dt.datetime | None = None
    deleted_at: dt.datetime | None = Field(None, description="Deleted for everyone; there is no content any more.")
    hidden_at: dt.datetime | None = Field(None, description="Deleted for this workspace only; lists leave it out.")
    pinned_until: dt.datetime | None = None
    starred_at: dt.datetime | None = None
    view_once: bool = False
    expires_at: dt.datetime | None = Field(None, description="When the phones of the chat remove it.")
    offline: bool = Field(False, description="Came in while the number was not connected.")
    target_id: uuid.UUID | None = Field(None, description="Of a change: the message that it is about.")


if TYPE_CHECKING:
    MessageView = MessageBase
else:
    MessageView = create_model(
        "MessageView",
        __base__=MessageBase,
        __doc__=MessageBase.__doc__,
        **{kind.name: (kind.view | None, None) for kind in kinds.SHOWN},
    )


class OriginalText(Model):
    """The text or caption of a message as it was first written."""

    body: str | None


class MessageChanges(Page[MessageView]):
    """What has changed a message: edits, reactions, votes, pins, a deletion, the latest first.

    `original` is there for a message that was edited and not deleted.
    """

    original: OriginalText | None = None


class LastMessage(Model):
    """The newest message of a chat, for the list."""

    id: uuid.UUID | None
    kind: str
    preview: str
    mentioned: list[Mentioned] = Field(default_factory=list, description="People whom the preview names.")
    direction: Literal["inbound", "outbound"]
    state: State
    timestamp: dt.datetime


class ChatLabel(Model):
    """A label that a chat carries."""

    id: uuid.UUID
    name: str
    colour: int


class ChatView(Model):
    """A conversation with one person or group on one number, or what a feed publishes there: that one only reads."""

    id: uuid.UUID
    account_id: uuid.UUID
    kind: Literal["direct", "group", "status", "channel"]
    contact: ChatContact | None
    name: str | None = Field(None, description="Of a group: its subject.")
    member_count: int | None = Field(None, description="Of a group, ourselves included.")
    picture_id: uuid.UUID | None = Field(None, description="Of a group: its picture, a file.")
    closed: Literal["left", "removed", "pending", "announcement", "suspended", "deleted"] | None = Field(
        None, description="Of a group: why this number cannot write to it."
    )
    last_message: LastMessage | None
    unread_count: int
    last_message_at: dt.datetime | None
    archived: bool = False
    pinned: bool = False
    muted_until: dt.datetime | None = Field(None, description="The year 9999: for ever.")
    marked_unread: bool = Field(False, description="By hand, without unread messages.")
    labels: list[ChatLabel] = Field(default_factory=list)
    timer_s: int | None = Field(None, description="How long new messages stay, in seconds; 0 or null: for ever.")
    more_on_phone: bool | None = Field(None, description="Whether the phone has older messages; null: not known.")


class BatchItem(Model):
    """The fate of one message of a batch: exactly one of the two."""

    message: MessageView | None = None
    error: dict[str, object] | None = None


class BatchAnswer(Model):
    """One entry per message, in the order of the request."""

    data: list[BatchItem]


@functools.cache
def message_schema() -> str:
    """Return a JSON Schema (2020-12) with the definitions `SendMessage` and `MessageView`, as JSON."""
    sent: Any = ("send", "validation", TypeAdapter(SendMessage))
    shown: Any = ("view", "serialization", TypeAdapter(MessageView))
    _, schema = TypeAdapter.json_schemas([sent, shown], title="Messages of Blazz")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$ref"] = "#/$defs/SendMessage"
    return json.dumps(schema)
