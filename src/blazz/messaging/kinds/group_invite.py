"""Invitations to groups: what people get whom nobody may add. Each is for one person and has an end."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import from_unix_ms
from blazz.messaging.kinds.base import Content, Decoded, Draft, Kind, Lookup, Outgoing, Row

_ADDRESS = r"^[0-9-]{5,40}@g\.us$"
_GROUP = "@g.us"
_LAST_S = 253_402_214_400  # of the year 9999


class GroupInviteBody(RequestModel):
    """An invitation whose code WhatsApp has given for this person. Adding people with `send_invitation` makes one."""

    address: Annotated[str, StringConstraints(pattern=_ADDRESS)]
    code: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    expires_at: AwareDatetime
    name: str = Field(min_length=1, max_length=128, description="The group's subject.")
    caption: str | None = Field(None, max_length=1024)


class GroupInvitePart(Model):
    """An invitation to a group; one that came in is accepted by `POST /groups/accept`."""

    address: str
    name: str
    expires_at: dt.datetime | None
    caption: str | None = None


class GroupInvite(Kind):
    """`groupInviteMessage`."""

    name = "group_invite"
    fields = ("groupInviteMessage",)
    request = GroupInviteBody
    view = GroupInvitePart

    def matches(self, message: Message, field: str) -> bool:
        part = message.groupInviteMessage
        return part.groupJID.endswith(_GROUP) and bool(part.inviteCode)  # else nobody can accept it

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.groupInviteMessage
        content: dict[str, Any] = {
            "address": part.groupJID[:64],
            "code": part.inviteCode[:256],
            "name": part.groupName[:128],
        }
        if 0 < part.inviteExpiration <= _LAST_S:
            content["expires_s"] = part.inviteExpiration
        return Decoded("group_invite", part.caption or None, content)

    def draft(self, content: GroupInviteBody, lookup: Lookup) -> Draft:
        told = content.model_dump(include={"address", "code", "name"})
        return Draft(content.caption or None, {**told, "expires_s": int(content.expires_at.timestamp())})

    def encode(self, outgoing: Outgoing) -> Message:
        content = outgoing.content
        message = Message()
        part = message.groupInviteMessage
        part.groupJID, part.inviteCode, part.groupName = content["address"], content["code"], content["name"]
        part.inviteExpiration = content["expires_s"]
        if outgoing.body:
            part.caption = outgoing.body
        return message

    def show(self, row: Row, file: Any) -> GroupInvitePart:
        content = row["content"]
        expires_s = content.get("expires_s")
        return GroupInvitePart.model_construct(
            address=content["address"],
            name=content.get("name", ""),
            expires_at=from_unix_ms(1000 * expires_s) if expires_s else None,
            caption=row["body"],
        )

    def preview(self, body: str | None, content: Content) -> str:
        return str(content.get("name") or body or "")
