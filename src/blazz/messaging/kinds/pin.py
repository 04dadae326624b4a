"""Pins: a message that a chat shows at its top for a day, a week or a month."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PinInChatMessage
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import from_unix_ms, to_unix_ms, utc_now
from blazz.messaging.kinds import keys
from blazz.messaging.kinds.base import Decoded, Draft, Effect, Kind, Lookup, Outgoing, Row, moment, refuse

WEEK_S = 604_800
MONTH_S = 2_592_000
Duration = Literal[86_400, 604_800, 2_592_000]


class PinBody(RequestModel):
    """Pin a message for a day, a week or 30 days (in seconds), or unpin it."""

    message_id: uuid.UUID
    pinned: bool = True
    seconds: Duration = 604_800


class PinPart(Model):
    """The message `message_id` was pinned or unpinned."""

    message_id: uuid.UUID | None
    pinned: bool
    seconds: int


class Pin(Kind):
    """`pinInChatMessage`; how long it holds is in what accompanies the message."""

    name = "pin"
    fields = ("pinInChatMessage",)
    request = PinBody
    view = PinPart
    changes = True

    def decode(self, message: Message, field: str) -> Decoded | None:
        part = message.pinInChatMessage
        target = keys.target_of(part.key)
        if target is None:
            return None
        seconds = message.messageContextInfo.messageAddOnDurationInSecs or WEEK_S
        content: dict[str, Any] = {
            "pinned": part.type == PinInChatMessage.PIN_FOR_ALL,
            "seconds": min(seconds, MONTH_S),
        }
        if part.senderTimestampMS:
            content["at"] = part.senderTimestampMS
        return Decoded("pin", None, content, target=target)

    def draft(self, content: PinBody, lookup: Lookup) -> Draft:
        row = lookup.message(content.message_id, "pin.message_id")
        if row["deleted_at"] is not None:
            raise refuse("message_deleted", "A deleted message cannot be pinned.", "pin", "message_id")
        made = {"pinned": content.pinned, "seconds": content.seconds, "at": to_unix_ms(utc_now())}
        return Draft(None, made, target_id=content.message_id)

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.pinInChatMessage
        part.key.CopyFrom(keys.key_of(outgoing.target))
        pinned = outgoing.content["pinned"]
        part.type = PinInChatMessage.PIN_FOR_ALL if pinned else PinInChatMessage.UNPIN_FOR_ALL
        part.senderTimestampMS = outgoing.content["at"]
        if pinned:
            message.messageContextInfo.messageAddOnDurationInSecs = outgoing.content["seconds"]
        return message

    def show(self, row: Row, file: Any) -> PinPart:
        content = row["content"]
        return PinPart.model_construct(
            message_id=row["target_id"], pinned=content["pinned"], seconds=content["seconds"]
        )

    def effect(self, change: Row, target: Row) -> Effect | None:
        extras, at = dict(target["extras"] or {}), moment(change)
        if target["deleted_at"] is not None or extras.get("pin_at", 0) > at:
            return None
        content = change["content"]
        until = from_unix_ms(at) + dt.timedelta(seconds=content["seconds"]) if content["pinned"] else None
        if until is None and target["pinned_until"] is None and change["from_me"]:
            return None
        extras["pin_at"] = at
        data = {"pinned_until": until.isoformat() if until else None}
        return Effect("message.updated", {"pinned_until": until, "extras": extras}, data)
