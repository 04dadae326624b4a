"""Reactions: one emoji of each person on a message; an empty one takes it back."""

from __future__ import annotations

import uuid
from typing import Any

from google.protobuf.message import DecodeError
from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, ReactionMessage
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import to_unix_ms, utc_now
from blazz.messaging.kinds import keys, message_secret
from blazz.messaging.kinds.base import Decoded, Draft, Effect, Kind, Lookup, Outgoing, Row, moment, refuse
from blazz.messaging.kinds.sealed import SEALED, sealed

EMOJI_MAX = 32  # characters: the longest emoji sequences have about ten code points


class ReactionBody(RequestModel):
    """The emoji for a message; an empty one removes your reaction."""

    message_id: uuid.UUID
    emoji: str = Field(max_length=EMOJI_MAX)


class ReactionPart(Model):
    """The emoji for the message `message_id`; null as long as it cannot be read, empty when it was taken back."""

    message_id: uuid.UUID | None
    emoji: str | None


class Reaction(Kind):
    """`reactionMessage`, or in a community's announcements the same encrypted with the message's secret."""

    name = "reaction"
    fields = ("reactionMessage", "encReactionMessage")
    request = ReactionBody
    view = ReactionPart
    changes = True

    def decode(self, message: Message, field: str) -> Decoded | None:
        if field == "encReactionMessage":
            hidden = message.encReactionMessage
            target = keys.target_of(hidden.targetMessageKey)
            content = sealed(message_secret.REACTION, hidden.encPayload, hidden.encIV)
            return None if target is None else Decoded("reaction", None, content, target=target)
        part = message.reactionMessage
        target = keys.target_of(part.key)
        return None if target is None else Decoded("reaction", None, _content(part), target=target)

    def opened(self, plain: bytes, target: Row) -> Decoded | None:
        try:
            return Decoded("reaction", None, _content(ReactionMessage.FromString(plain)))
        except DecodeError:
            return None

    def draft(self, content: ReactionBody, lookup: Lookup) -> Draft:
        row = lookup.message(content.message_id, "reaction.message_id")
        if row["deleted_at"] is not None:
            raise refuse("message_deleted", "A deleted message takes no reactions.", "reaction", "message_id")
        made = {"emoji": content.emoji, "at": to_unix_ms(utc_now())}
        return Draft(None, made, target_id=content.message_id)

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.reactionMessage
        part.key.CopyFrom(keys.key_of(outgoing.target))
        part.text = outgoing.content["emoji"]
        part.senderTimestampMS = outgoing.content["at"]
        return message

    def show(self, row: Row, file: Any) -> ReactionPart:
        return ReactionPart.model_construct(message_id=row["target_id"], emoji=row["content"].get("emoji"))

    def effect(self, change: Row, target: Row) -> Effect | None:
        if target["deleted_at"] is not None or SEALED in change["content"]:
            return None
        extras: dict[str, Any] = dict(target["extras"] or {})
        reactions = dict(extras.get("reactions", {}))
        author, emoji, at = change["author"], change["content"]["emoji"], moment(change)
        before = reactions.get(author, {"emoji": "", "at": 0})
        if before["at"] > at or (before["emoji"] == emoji and change["from_me"]):
            return None
        # one that was taken back is kept without its emoji, so that an earlier one that comes later stays away
        reactions[author] = {"emoji": emoji, "at": at}
        extras["reactions"] = reactions
        return Effect("message.reaction", {"extras": extras}, {"emoji": emoji, "from_me": change["from_me"]})


def _content(part: ReactionMessage) -> dict[str, Any]:
    content: dict[str, Any] = {"emoji": part.text[:EMOJI_MAX]}
    if part.senderTimestampMS:
        content["at"] = part.senderTimestampMS
    return content
