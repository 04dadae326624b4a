"""What a phone can be told to send beyond text, pictures and raw messages: bodies and their contents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from whatsim import language, model

MessageId = Annotated[str, Field(min_length=1, max_length=128, description="WhatsApp id of a message of the chat")]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Part(BaseModel, extra="forbid"):
    """Base of the bodies."""

    def content(self) -> model.OutgoingContent:
        """Return the network's value for it."""
        raise NotImplementedError


class LocationBody(Part):
    """A place, or the beginning of a live location."""

    latitude: Latitude
    longitude: Longitude
    name: str | None = Field(None, max_length=256)
    address: str | None = Field(None, max_length=1024)
    live: bool = False

    def content(self) -> language.LanguageContent:
        return language.LocationContent(**self.model_dump())


class MoveBody(Part):
    """A new place of a live location."""

    message_id: MessageId
    latitude: Latitude
    longitude: Longitude

    def content(self) -> language.LanguageContent:
        return language.MoveContent(**self.model_dump())


class CardBody(BaseModel, extra="forbid"):
    """A person's card."""

    name: str = Field(min_length=1, max_length=256)
    number: str = Field(pattern=r"^[0-9]{7,15}$")


class ContactsBody(Part):
    """Cards of people."""

    cards: list[CardBody] = Field(min_length=1, max_length=100)

    def content(self) -> language.LanguageContent:
        return language.ContactsContent(tuple((card.name, card.number) for card in self.cards))


class PollBody(Part):
    """A question with options."""

    question: str = Field(min_length=1, max_length=255)
    options: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(min_length=2, max_length=12)
    multiple: bool = False

    def content(self) -> language.LanguageContent:
        return language.PollContent(self.question, tuple(self.options), self.multiple)


class VoteBody(Part):
    """What this phone picks of a poll; nothing takes its vote back."""

    message_id: MessageId
    options: list[str] = Field(max_length=64)

    def content(self) -> language.LanguageContent:
        return language.VoteContent(self.message_id, tuple(self.options))


class ReactionBody(Part):
    """An emoji for a message; an empty one takes it back."""

    message_id: MessageId
    emoji: str = Field(max_length=32)

    def content(self) -> language.LanguageContent:
        return language.ReactionContent(self.message_id, self.emoji)


class EditBody(Part):
    """A new text or caption for a message of this phone."""

    message_id: MessageId
    body: str = Field(min_length=1, max_length=65_536)
    sealed: bool = Field(True, description="Encrypted with the message's secret, as newer phones do.")

    def content(self) -> language.LanguageContent:
        return language.EditContent(self.message_id, self.body, self.sealed)


class DeleteBody(Part):
    """Delete a message for everyone."""

    message_id: MessageId

    def content(self) -> language.LanguageContent:
        return language.DeleteContent(self.message_id)


class PinBody(Part):
    """Pin a message; 0 seconds unpin it."""

    message_id: MessageId
    seconds: int = Field(604_800, ge=0, le=2_592_000)

    def content(self) -> language.LanguageContent:
        return language.PinContent(self.message_id, self.seconds)


class TimerBody(Part):
    """How long new messages stay, in seconds; 0 for ever."""

    seconds: int = Field(ge=0, le=31_622_400)

    def content(self) -> language.LanguageContent:
        return language.TimerContent(self.seconds)


class ForwardBody(Part):
    """Send a message of any of this phone's chats on."""

    message_id: MessageId

    def content(self) -> language.LanguageContent:
        return language.ForwardContent(self.message_id)


class AnswerBody(Part):
    """Tap a button, or pick a row of a list."""

    message_id: MessageId
    id: str = Field(max_length=256)
    title: str = Field(max_length=256)
    kind: Literal["button", "list"] = "button"

    def content(self) -> language.LanguageContent:
        return language.AnswerContent(self.message_id, self.id, self.title, self.kind)


PARTS: dict[str, Any] = {
    "location": LocationBody,
    "move": MoveBody,
    "contacts": ContactsBody,
    "poll": PollBody,
    "poll_vote": VoteBody,
    "reaction": ReactionBody,
    "edit": EditBody,
    "delete": DeleteBody,
    "pin": PinBody,
    "timer": TimerBody,
    "forward": ForwardBody,
    "answer": AnswerBody,
}
"""By the name that a message's type and its content field have."""
