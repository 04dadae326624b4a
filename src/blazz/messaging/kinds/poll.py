"""Polls. The results are folded into the poll from the votes, which come encrypted with its secret."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import from_unix_ms
from blazz.messaging.kinds.base import Content, Decoded, Draft, Kind, Lookup, Outgoing, Row

QUESTION_MAX, OPTION_MAX, OPTIONS_MAX = 255, 100, 12  # WhatsApp's limits: characters, characters, options
_READ_MAX = 64  # options that are read of a poll of somebody else
Option = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=OPTION_MAX)]


class PollBody(RequestModel):
    """A question with 2 to 12 options, of which a voter picks one, or any number with `multiple`."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=QUESTION_MAX)]
    options: list[Option] = Field(min_length=2, max_length=OPTIONS_MAX)
    multiple: bool = False

    @model_validator(mode="after")
    def _distinct(self) -> PollBody:
        if len(set(self.options)) < len(self.options):
            raise PydanticCustomError("double_option", "The options of a poll differ from each other.")
        return self


class Voter(Model):
    """Who picked an option. `author` is a WhatsApp address, empty for ourselves."""

    author: str
    from_me: bool
    at: dt.datetime


class PollOption(Model):
    """An option with those who picked it, the earliest first."""

    name: str
    voters: list[Voter]


class PollPart(Model):
    """A poll with its results. `multiple`: a voter may pick several options."""

    question: str
    options: list[PollOption]
    multiple: bool
    voters: int = Field(description="People who have picked something.")


class Poll(Kind):
    """`pollCreationMessage`; the later versions differ in who may see or make them, not in what they hold.

    Ours have the first version: it is the one that the engine marks as a poll on the wire.
    """

    name = "poll"
    fields = (
        "pollCreationMessage",
        "pollCreationMessageV2",
        "pollCreationMessageV3",
        "pollCreationMessageV5",
        "pollCreationMessageV6",
    )
    request = PollBody
    view = PollPart
    forwards = True

    def decode(self, message: Message, field: str) -> Decoded:
        part = getattr(message, field)
        options = [option.optionName for option in part.options[:_READ_MAX]]
        return Decoded("poll", part.name or None, {"options": options, "selectable": part.selectableOptionsCount})

    def draft(self, content: PollBody, lookup: Lookup) -> Draft:
        return Draft(content.question, {"options": content.options, "selectable": 0 if content.multiple else 1})

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.pollCreationMessage
        part.name = outgoing.body or ""
        part.selectableOptionsCount = outgoing.content["selectable"]
        for option in outgoing.content["options"]:
            part.options.add(optionName=option)
        return message

    def show(self, row: Row, file: Any) -> PollPart:
        content = row["content"]
        votes = sorted(votes_of(row["extras"]).items(), key=lambda item: int(item[1]["at"]))
        options = [
            PollOption.model_construct(
                name=name, voters=[_voter(author, vote) for author, vote in votes if index in vote["options"]]
            )
            for index, name in enumerate(content.get("options", ()))
        ]
        return PollPart.model_construct(
            question=row["body"] or "",
            options=options,
            multiple=content.get("selectable") != 1,
            voters=sum(1 for _, vote in votes if vote["options"]),
        )

    def preview(self, body: str | None, content: Content) -> str:
        return body or ""


def votes_of(extras: Content | None) -> dict[str, dict[str, Any]]:
    """Return the votes of a poll by their author: the indexes of the options, and when (milliseconds since 1970)."""
    return dict((extras or {}).get("votes", {}))


def _voter(author: str, vote: dict[str, Any]) -> Voter:
    return Voter.model_construct(author=author, from_me=not author, at=from_unix_ms(vote["at"]))
