"""What the control API answers: the network's views as JSON, with the names that a reader of the API expects."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from whatsim.model import (
    Behaviour,
    DeviceView,
    Direction,
    Echo,
    FaultKind,
    FaultView,
    MessageType,
    MessageView,
    NetworkEvent,
    NetworkStats,
    PhoneView,
    ReceiptState,
    Script,
)


class Device(BaseModel):
    """A linked device of a phone. `queued` counts stanzas that wait for its confirmation."""

    id: int
    platform: str
    linked_at: datetime
    connected: bool
    queued: int

    @classmethod
    def of(cls, view: DeviceView) -> Device:
        return cls(**asdict(view))


class Receipt(BaseModel):
    """How far a message got with the other side, and when."""

    state: ReceiptState
    at: datetime


class Media(BaseModel):
    """A message's media; `url` is a path of this API, `size` is in bytes."""

    mimetype: str
    size: int | None
    width: int | None
    height: int | None
    filename: str | None
    url: str


class Message(BaseModel):
    """A message as the phone shows it: once per WhatsApp id (`message_id`), however often it was delivered.

    `id` rises over the whole network and is what `after` refers to. `deliveries`, `decrypt_failures` and
    `retry_requests` count what happened on the wire. `by_device` is 0 for the phone itself. In groups `chat` is the
    group's address and `reached` says how far an `out` message got with each member.

    `details` holds what a kind has beyond its text. A change of another message names it in `target_id`; what changes
    have made of a message is in `reactions` and `votes` (by number), `edited`, `deleted` and `pinned`.
    """

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    id: int
    message_id: str
    number: str
    chat: str
    direction: Direction
    from_number: Annotated[str, Field(alias="from")]
    to_number: Annotated[str, Field(alias="to")]
    type: MessageType
    body: str
    timestamp: datetime
    deliveries: int
    decrypt_failures: int
    retry_requests: int
    receipts: list[Receipt]
    read: bool
    media: Media | None
    reply_to: str | None
    undecryptable: bool
    by_device: int
    reached: dict[str, str]
    details: dict[str, Any]
    target_id: str | None
    reactions: dict[str, str]
    votes: dict[str, list[str]]
    edited: bool
    deleted: bool
    pinned: bool

    @classmethod
    def of(cls, view: MessageView) -> Message:
        media = None
        if view.media is not None:
            url = f"/phones/{view.number}/messages/{quote(view.message_id, safe='')}/media"
            media = Media(**asdict(view.media), url=url)
        return cls(
            id=view.id,
            message_id=view.message_id,
            number=view.number,
            chat=view.chat,
            direction=view.direction,
            from_number=view.from_number,
            to_number=view.to_number,
            type=view.type,
            body=view.body,
            timestamp=view.timestamp,
            deliveries=view.deliveries,
            decrypt_failures=view.decrypt_failures,
            retry_requests=view.retry_requests,
            receipts=[Receipt(state=receipt.state, at=receipt.at) for receipt in view.receipts],
            read=view.read,
            media=media,
            reply_to=view.quoted_id,
            undecryptable=view.undecryptable,
            by_device=view.by_device,
            reached=view.reached,
            details=view.details,
            target_id=view.target_id,
            reactions=view.reactions,
            votes=view.votes,
            edited=view.edited,
            deleted=view.deleted,
            pinned=view.pinned,
        )


class AnswerRule(BaseModel):
    """One rule of a script."""

    match: str
    reply: str
    delay_s: float


class PhoneBehaviour(BaseModel):
    """How the phone answers by itself."""

    kind: Literal["silent", "echo", "script"]
    prefix: str | None = None
    delay_s: float | None = None
    rules: list[AnswerRule] | None = None

    @classmethod
    def of(cls, behaviour: Behaviour) -> PhoneBehaviour:
        if isinstance(behaviour, Echo):
            return cls(kind="echo", prefix=behaviour.prefix, delay_s=behaviour.delay_s)
        if isinstance(behaviour, Script):
            return cls(kind="script", rules=[AnswerRule(**asdict(rule)) for rule in behaviour.rules])
        return cls(kind="silent")


class Phone(BaseModel):
    """A simulated phone with its linked devices."""

    number: str
    name: str
    lid: str
    online: bool
    behaviour: PhoneBehaviour
    devices: list[Device]
    unread: int
    last_message: Message | None

    @classmethod
    def of(cls, view: PhoneView) -> Phone:
        return cls(
            number=view.number,
            name=view.name,
            lid=view.lid,
            online=view.online,
            behaviour=PhoneBehaviour.of(view.behaviour),
            devices=[Device.of(device) for device in view.devices],
            unread=view.unread,
            last_message=None if view.last_message is None else Message.of(view.last_message),
        )


class Phones(BaseModel):
    """All phones, in the order of their creation."""

    data: list[Phone]


class Messages(BaseModel):
    """A stretch of a phone's messages, ascending; `next_after` continues it, `more` says whether it is worth asking."""

    data: list[Message]
    next_after: int
    more: bool


class ReadResult(BaseModel):
    """How many messages became read."""

    read: int


class Fault(BaseModel):
    """An active disturbance. `remaining` is null for one that stays until it is cleared or its seconds are over."""

    id: str
    kind: FaultKind
    number: str | None
    device: int | None
    code: str | None
    count: int | None
    seconds: float | None
    remaining: int | None
    hits: int
    added_at: datetime

    @classmethod
    def of(cls, view: FaultView) -> Fault:
        return cls(**asdict(view.spec), id=view.id, remaining=view.remaining, hits=view.hits, added_at=view.added_at)


class Faults(BaseModel):
    """The active faults, oldest first."""

    data: list[Fault]


class Cleared(BaseModel):
    """How many faults were removed."""

    cleared: int


class Stats(BaseModel):
    """Counters since the start of the process, and present sizes. See each field of the network's own description."""

    network_id: str
    wire: str
    logins: int
    login_refusals: int
    registrations: int
    replaced: int
    messages: int
    receipts: int
    acks_lost: int
    duplicates: int
    stanzas_from_older_connection: int
    logins_below_epoch: int
    replaced_living: int
    open_connections: int
    online: int
    queued: int
    phones: int
    decrypt_failures: int
    retry_requests: int
    uploads: int
    downloads: int
    commits: int
    unknown: dict[str, int]

    @classmethod
    def of(cls, stats: NetworkStats, network_id: str, wire: str) -> Stats:
        return cls(**asdict(stats), network_id=network_id, wire=wire)


class Change(BaseModel):
    """One server-sent event's data: what changed, with the new state of the phone or message concerned.

    With a message comes the number of unread messages of its phone.
    """

    kind: str
    number: str | None
    phone: Phone | None
    message: Message | None
    unread: int | None
    chat: str | None
    composing: bool | None

    @classmethod
    def of(cls, event: NetworkEvent, unread: int | None) -> Change:
        return cls(
            kind=event.kind,
            number=event.number,
            phone=None if event.phone is None else Phone.of(event.phone),
            message=None if event.message is None else Message.of(event.message),
            unread=unread,
            chat=event.chat,
            composing=event.composing,
        )
