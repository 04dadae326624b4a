"""What the control API takes: request bodies with their bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, model_validator

from whatsim.control import files, language
from whatsim.model import Behaviour, Echo, FaultKind, FaultSpec, Script, ScriptRule, Silent

MAX_IMAGE_BYTES = 16 * 1024 * 1024
MAX_ID = 2**63 - 1


def _without_plus(value: object) -> object:
    return value.removeprefix("+") if isinstance(value, str) else value


Number = Annotated[
    str,
    BeforeValidator(_without_plus, json_schema_input_type=str),
    StringConstraints(pattern=r"^[0-9]{7,15}$"),
    Field(
        description="A phone number in E.164: 7 to 15 digits, an optional leading plus sign", examples=["628110000001"]
    ),
]
GroupAddress = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9-]{5,40}@g\.us$"),
    Field(description="A group's address", examples=["120363000000000001@g.us"]),
]
ChannelAddress = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{5,40}@newsletter$"),
    Field(description="A channel's address", examples=["120363000000000002@newsletter"]),
]
Delay = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False, description="Seconds to wait before answering")]


class Body(BaseModel, extra="forbid"):
    """Base of the request bodies: a field that is not known is an error, not a silence."""


class NewPhone(Body):
    """A phone to create; the next free fictional number is taken when none is given."""

    number: Number | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] | None = None


class Link(Body):
    """What a person does to link a device: scan its QR code, or type its 8-character code."""

    qr: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)] | None = None
    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=16)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Link:
        if (self.qr is None) == (self.code is None):
            raise ValueError("give either qr or code")
        return self


class Unlink(Body):
    """The linked device to remove."""

    device: int = Field(ge=1, le=0xFFFF)


class TextBody(Body):
    """A text; `reply_to` is the WhatsApp id of the message that it answers."""

    body: str = Field(min_length=1, max_length=65_536)
    reply_to: str | None = Field(default=None, min_length=1, max_length=128)
    mentions: list[Number] = Field(default_factory=list, max_length=256)


class ImageBody(Body):
    """A picture, as base64 or as a file beneath the directory that the process was allowed to read."""

    base64: str | None = Field(default=None, min_length=4, max_length=(MAX_IMAGE_BYTES + 2) // 3 * 4)
    path: str | None = Field(default=None, min_length=1, max_length=4096)
    mimetype: str | None = Field(default=None, pattern=r"^image/[a-z0-9.+-]{1,60}$")
    caption: str | None = Field(default=None, max_length=4096)
    view_once: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> ImageBody:
        if (self.base64 is None) == (self.path is None):
            raise ValueError("give either base64 or path")
        return self


class RawBody(Body):
    """A serialised WhatsApp message, sent as it is."""

    base64: str = Field(min_length=4, max_length=4 * 1024 * 1024)


class NewMessage(Body):
    """A message to send; the field named like `type` holds its content."""

    to: Number | GroupAddress
    type: Literal[
        "text",
        "image",
        "video",
        "audio",
        "document",
        "sticker",
        "raw",
        "location",
        "move",
        "contacts",
        "poll",
        "poll_vote",
        "reaction",
        "edit",
        "delete",
        "pin",
        "timer",
        "forward",
        "answer",
    ]
    text: TextBody | None = None
    image: ImageBody | None = None
    video: files.VideoBody | None = None
    audio: files.AudioBody | None = None
    document: files.DocumentBody | None = None
    sticker: files.StickerBody | None = None
    raw: RawBody | None = None
    location: language.LocationBody | None = None
    move: language.MoveBody | None = None
    contacts: language.ContactsBody | None = None
    poll: language.PollBody | None = None
    poll_vote: language.VoteBody | None = None
    reaction: language.ReactionBody | None = None
    edit: language.EditBody | None = None
    delete: language.DeleteBody | None = None
    pin: language.PinBody | None = None
    timer: language.TimerBody | None = None
    forward: language.ForwardBody | None = None
    answer: language.AnswerBody | None = None

    @model_validator(mode="after")
    def _content_fits_type(self) -> NewMessage:
        names = ("text", "image", "video", "audio", "document", "sticker", "raw", *language.PARTS)
        given = {name for name in names if getattr(self, name) is not None}
        if given != {self.type}:
            raise ValueError(f"a message of type {self.type} has exactly one content field, {self.type}")
        return self


class Read(Body):
    """Mark a chat's messages as read, all of them or up to the message with the id `up_to`."""

    chat: Number | GroupAddress
    up_to: int | None = Field(default=None, ge=1, le=MAX_ID)


class Typing(Body):
    """Show the other side that this phone types, or has stopped."""

    to: Number | GroupAddress
    composing: bool = True


class Online(Body):
    """Whether the phone itself has a connection; an offline phone receives nothing."""

    online: bool


class Rule(Body):
    """Answer `reply` when a text contains `match` (ignoring case; empty matches everything)."""

    match: str = Field(default="", max_length=1024)
    reply: str = Field(min_length=1, max_length=4096)
    delay_s: Delay = 0.0


class NewBehaviour(Body):
    """How the phone answers by itself: not at all, by repeating, or by rules (the first that matches)."""

    kind: Literal["silent", "echo", "script"]
    prefix: str | None = Field(default=None, max_length=256, description="echo only: written before the repeated text")
    delay_s: Delay | None = Field(default=None, description="echo only: seconds to wait before answering")
    rules: list[Rule] | None = Field(default=None, max_length=100, description="script only")

    @model_validator(mode="after")
    def _fields_fit_kind(self) -> NewBehaviour:
        if self.kind != "echo" and (self.prefix is not None or self.delay_s is not None):
            raise ValueError("prefix and delay_s belong to the kind echo")
        if (self.kind == "script") != bool(self.rules):
            raise ValueError("rules belong to the kind script, which needs at least one")
        return self

    def behaviour(self) -> Behaviour:
        """Return the network's value for it."""
        if self.kind == "echo":
            return Echo(self.prefix or "", self.delay_s or 0.0)
        if self.kind == "script":
            return Script(tuple(ScriptRule(rule.match, rule.reply, rule.delay_s) for rule in self.rules or ()))
        return Silent()


class NewFault(Body):
    """A disturbance to add; `number` and `device` limit it to one phone's linked devices.

    Which of the other fields a kind takes is told by the network: a field that does not fit is refused.
    """

    kind: FaultKind
    number: Number | None = None
    device: int | None = Field(default=None, ge=1, le=0xFFFF)
    code: (
        Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")] | Annotated[int, Field(ge=1, le=9999)] | None
    ) = None
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    seconds: float | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)

    def spec(self) -> FaultSpec:
        """Return the network's value for it."""
        code = None if self.code is None else str(self.code)
        return FaultSpec(self.kind, self.number, self.device, code, self.count, self.seconds)
