"""Deletions: of one's own message for everyone, of anyone's by a group's admin, or of any message for oneself only."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from pydantic import Field, create_model

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import utc_now
from blazz.messaging.kinds import keys
from blazz.messaging.kinds.base import Decoded, Draft, Effect, Kind, Lookup, Outgoing, Row, refuse, same_author
from blazz.messaging.kinds.edit import keep_first

LIMIT = dt.timedelta(hours=60)  # WhatsApp's: two days and twelve hours; phones ignore later deletions
_KEPT = ("client_ref",)  # what a deleted message's content keeps: nothing that anybody wrote


class DeleteBody(RequestModel):
    """Delete a message: for everyone (yours, for about two days; in a group that you administer, anyone's), or for
    this workspace only."""

    message_id: uuid.UUID
    scope: Literal["everyone", "me"] = Field("everyone", alias="for")


_FIELDS: Any = {"message_id": (uuid.UUID | None, ...), "for": (Literal["everyone", "me"], "everyone")}
# `for` is a word of Python, which a class statement cannot name a field
DeletePart: Any = create_model("DeletePart", __base__=Model, __doc__="The message `message_id` was deleted.", **_FIELDS)


class Delete(Kind):
    """`protocolMessage` of type REVOKE; a deletion for oneself is not sent to anybody."""

    name = "delete"
    fields = ("protocolMessage",)
    request = DeleteBody
    view = DeletePart
    changes = True
    final_when_sent = True

    def matches(self, message: Message, field: str) -> bool:
        return bool(message.protocolMessage.type == ProtocolMessage.REVOKE)

    def decode(self, message: Message, field: str) -> Decoded | None:
        target = keys.target_of(message.protocolMessage.key)
        return None if target is None else Decoded("delete", None, {"for": "everyone"}, target=target)

    def draft(self, content: DeleteBody, lookup: Lookup) -> Draft:
        row = lookup.message(content.message_id, "delete.message_id")
        if content.scope == "me":
            return Draft(None, {"for": "me"}, target_id=content.message_id, local=True)
        if not row["from_me"] and not (lookup.is_group and lookup.is_admin):
            text = "Only a message of yours can be deleted for everyone; delete it for yourself."
            raise refuse("not_yours", text, "delete", "message_id")
        self.in_time(row, utc_now())
        return Draft(None, {"for": "everyone"}, target_id=content.message_id)

    def in_time(self, target: Row, now: dt.datetime) -> None:
        if now - target["timestamp"] > LIMIT:
            text = "A message can be deleted for everyone for two days; delete it for yourself."
            raise refuse("too_late", text, "delete", "message_id")

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.protocolMessage
        part.key.CopyFrom(keys.key_of(outgoing.target))
        part.type = ProtocolMessage.REVOKE
        return message

    def show(self, row: Row, file: Any) -> Model:
        scope = row["content"].get("for", "everyone")
        values: dict[str, Any] = {"message_id": row["target_id"], "for": scope}
        part: Model = DeletePart.model_construct(**values)
        return part

    def asks_for_admin(self, change: Row, target: Row) -> bool:
        in_group = (change["content"].get("target") or {}).get("chat", "").endswith("@g.us")
        return in_group and not same_author(change, target)

    def effect(self, change: Row, target: Row) -> Effect | None:
        at = change["timestamp"]
        if change["content"].get("for") == "me":
            if target["hidden_at"] is not None:
                return None
            return Effect("message.deleted", {"hidden_at": at}, {"for": "me"})
        may = same_author(change, target) or change["content"].get("by_admin") or change["source"] in ("api", "inbox")
        if target["deleted_at"] is not None or not may:
            return None
        columns: dict[str, Any] = {
            "body": None,
            "content": {key: target["content"][key] for key in _KEPT if key in target["content"]},
            "media_id": None,
            "deleted_at": at,
            "pinned_until": None,
            # ours may fail yet, and is taken back then
            "extras": keep_first(target) if change["state"] == "pending" else None,
        }
        forgets = change["state"] != "pending"
        return Effect("message.deleted", columns, {"for": "everyone", "from_me": change["from_me"]}, forgets)
