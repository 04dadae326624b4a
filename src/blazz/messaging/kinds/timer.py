"""The timer of a chat: how long new messages stay, set by either side. Shown as a notice."""

from __future__ import annotations

from typing import Any, Literal

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage
from blazz.kit.http import RequestModel
from blazz.kit.time import utc_now
from blazz.messaging.kinds.base import Content, Decoded, Draft, Kind, Lookup, Outgoing, Row, refuse
from blazz.messaging.kinds.envelope import MAX_EXPIRY_S
from blazz.messaging.kinds.system import SystemPart

Duration = Literal[0, 86_400, 604_800, 7_776_000]


class TimerBody(RequestModel):
    """Let new messages of the chat disappear after a day, a week or 90 days (in seconds); 0 lets them stay."""

    seconds: Duration


class Timer(Kind):
    """`protocolMessage` of type EPHEMERAL_SETTING, in direct chats; a group's timer is a setting of the group."""

    name = "timer"
    fields = ("protocolMessage",)
    request = TimerBody
    shown_as = "system"
    quiet = True

    def matches(self, message: Message, field: str) -> bool:
        return bool(message.protocolMessage.type == ProtocolMessage.EPHEMERAL_SETTING)

    def decode(self, message: Message, field: str) -> Decoded:
        return Decoded("timer", None, {"seconds": min(message.protocolMessage.ephemeralExpiration, MAX_EXPIRY_S)})

    def draft(self, content: TimerBody, lookup: Lookup) -> Draft:
        if lookup.is_group:
            text = "The timer of a group is one of the group's settings."
            raise refuse("not_in_groups", text, "timer")
        return Draft(None, {"seconds": content.seconds, "before": lookup.timer_s})

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.protocolMessage
        part.type = ProtocolMessage.EPHEMERAL_SETTING
        part.ephemeralExpiration = outgoing.content["seconds"]
        part.ephemeralSettingTimestamp = int(utc_now().timestamp())
        return message

    def of_chat(self, content: Content) -> Content:
        return {"timer_s": content["seconds"]}

    def show(self, row: Row, file: Any) -> SystemPart:
        return SystemPart.model_construct(event="timer", data={"seconds": row["content"]["seconds"]})
