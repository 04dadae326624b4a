"""Edits: a new text (or caption) for a message, by its author. What was there before stays in the changes."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import (
    LiveLocationMessage,
    Message,
    ProtocolMessage,
    SecretEncryptedMessage,
)
from blazz.kit.http import Model, RequestModel
from blazz.kit.time import from_unix_ms, to_unix_ms, utc_now
from blazz.messaging.kinds import envelope, keys, location, message_secret
from blazz.messaging.kinds.base import (
    Content,
    Decoded,
    Draft,
    Effect,
    Kind,
    Lookup,
    Outgoing,
    Row,
    moment,
    refuse,
    same_author,
)
from blazz.messaging.kinds.files import CAPTION_MAX
from blazz.messaging.kinds.sealed import SEALED, sealed
from blazz.messaging.kinds.text import TextBody

LIMIT = dt.timedelta(minutes=15)  # WhatsApp's; phones ignore later edits
_CAPTIONED = {"image": "imageMessage", "video": "videoMessage", "document": "documentMessage"}


class EditBody(RequestModel):
    """A new text for a text of yours, or a new caption for an image, video or document of yours, within 15 minutes.

    A caption has at most 1,024 characters.
    """

    message_id: uuid.UUID
    text: TextBody


class EditedText(Model):
    """A text or caption."""

    body: str


class EditPart(Model):
    """A new text of the message `message_id`; null as long as it cannot be read."""

    message_id: uuid.UUID | None
    text: EditedText | None


class Edit(Kind):
    """`protocolMessage` of type MESSAGE_EDIT, or the same encrypted with the message's secret."""

    name = "edit"
    fields = ("protocolMessage", "secretEncryptedMessage")
    request = EditBody
    view = EditPart
    changes = True
    names_people = True

    def matches(self, message: Message, field: str) -> bool:
        if field == "protocolMessage":
            return bool(message.protocolMessage.type == ProtocolMessage.MESSAGE_EDIT)
        return bool(message.secretEncryptedMessage.secretEncType == SecretEncryptedMessage.MESSAGE_EDIT)

    def decode(self, message: Message, field: str) -> Decoded | None:
        if field == "protocolMessage":
            part = message.protocolMessage
            target = keys.target_of(part.key)
            if target is None:
                return None
            body, content = _new(part)
            return Decoded("edit", body, content, target=target)
        hidden = message.secretEncryptedMessage
        target = keys.target_of(hidden.targetMessageKey)
        if target is None:
            return None
        content = sealed(message_secret.MESSAGE_EDIT, hidden.encPayload, hidden.encIV)
        return Decoded("edit", None, content, target=target)

    def opened(self, plain: bytes, target: Row) -> Decoded | None:
        try:
            inner = envelope.unwrap(Message.FromString(plain))[0]
        except DecodeError:
            return None
        part = inner.protocolMessage if inner.HasField("protocolMessage") else ProtocolMessage(editedMessage=inner)
        body, content = _new(part)
        return Decoded("edit", body, content)

    def draft(self, content: EditBody, lookup: Lookup) -> Draft:
        row = lookup.message(content.message_id, "edit.message_id")
        if not row["from_me"]:
            raise refuse("not_yours", "Only a message of yours can be edited.", "edit", "message_id")
        if row["deleted_at"] is not None or not (row["kind"] == "text" or _has_caption(row["kind"], row["content"])):
            raise refuse("not_editable", "Only a text or a caption can be edited.", "edit", "message_id")
        if row["kind"] != "text" and len(content.text.body) > CAPTION_MAX:
            text = f"A caption has at most {CAPTION_MAX} characters."
            raise refuse("caption_too_long", text, "edit", "text", "body")
        self.in_time(row, utc_now())
        return Draft(content.text.body, {"at": to_unix_ms(utc_now())}, target_id=content.message_id)

    def in_time(self, target: Row, now: dt.datetime) -> None:
        if now - target["timestamp"] > LIMIT:
            raise refuse("too_late", "A message can be edited for 15 minutes.", "edit", "message_id")

    def encode(self, outgoing: Outgoing) -> Message:
        message = Message()
        part = message.editedMessage.message.protocolMessage
        part.key.CopyFrom(keys.key_of(outgoing.target))
        part.type = ProtocolMessage.MESSAGE_EDIT
        named = outgoing.content.get("mentions") or _still_named(outgoing)
        _write(part.editedMessage, outgoing.target_kind, outgoing.body or "", named)
        part.timestampMS = outgoing.content["at"]
        return message

    def show(self, row: Row, file: Any) -> EditPart:
        text = None if row["body"] is None else EditedText.model_construct(body=row["body"])
        return EditPart.model_construct(message_id=row["target_id"], text=text)

    def effect(self, change: Row, target: Row) -> Effect | None:
        new, at = change["content"], from_unix_ms(moment(change))
        if not same_author(change, target) or target["deleted_at"] is not None or SEALED in new:
            return None
        if target["edited_at"] is not None and target["edited_at"] > at:
            return None
        if "move" in new:
            part = LiveLocationMessage.FromString(bytes.fromhex(new["move"]))
            content = location.moved(target["content"], part) if target["kind"] == "location" else None
            return None if content is None else Effect("message.updated", {"content": content}, {"moved": True})
        if change["body"] is None or target["kind"] not in ("text", *_CAPTIONED):
            return None
        columns = {"body": change["body"], "edited_at": at, "extras": keep_first(target)}
        if "mentions" in new:
            context = {**(target["content"].get("context") or {}), "mentions": new["mentions"]}
            columns["content"] = {**target["content"], "context": context}
        return Effect("message.edited", columns, {"edited_at": at.isoformat()})


BEFORE = "before"
"""Where `extras` keeps a message as it was before its first change that may be taken back."""


def keep_first(target: Row) -> dict[str, Any]:
    """Return `extras` of a message with its first text, content and file kept; what is kept already stays."""
    extras = dict(target["extras"] or {})
    media_id = target["media_id"]
    extras.setdefault(
        BEFORE,
        {
            "body": target["body"],
            "content": dict(target["content"]),
            "media_id": None if media_id is None else str(media_id),
        },
    )
    return extras


def _new(part: ProtocolMessage) -> tuple[str | None, dict[str, Any]]:
    """Return the new text and what else a change keeps of an edit."""
    inner = envelope.unwrap(part.editedMessage)[0]
    content: dict[str, Any] = {"at": part.timestampMS} if part.timestampMS else {}
    if inner.HasField("liveLocationMessage"):
        move = inner.liveLocationMessage
        move.ClearField("JPEGThumbnail")
        move.ClearField("contextInfo")
        return None, {**content, "move": move.SerializeToString().hex()}
    if inner.HasField("conversation"):
        return inner.conversation, content
    if inner.HasField("extendedTextMessage"):
        return inner.extendedTextMessage.text, content | _mentions(inner, "extendedTextMessage")
    for field in _CAPTIONED.values():
        if inner.HasField(field):
            # like WhatsApp's own clients: an edit does not take a caption away
            return getattr(inner, field).caption or None, content | _mentions(inner, field)
    return None, content


def _has_caption(kind: str, content: Content) -> bool:
    """Tell whether a file can have a caption that is changed later."""
    once = (content.get("context") or {}).get("view_once")
    return kind in _CAPTIONED and not content.get("note") and not once


def _write(message: Message, kind: str, body: str, mentions: Sequence[str]) -> None:
    """Write the new text of a message of this kind. Of a file only the caption travels, as from WhatsApp Web."""
    field = _CAPTIONED.get(kind)
    if field is not None:
        holder = message.documentWithCaptionMessage.message if kind == "document" else message
        part = getattr(holder, field)
        part.caption = body
    elif mentions:
        part = message.extendedTextMessage
        part.text = body
    else:
        message.conversation = body
        return
    if mentions:
        part.contextInfo.mentionedJID.extend(mentions)


def _still_named(outgoing: Outgoing) -> list[str]:
    """Return the people whom the text before named, as far as the new one has their digits."""
    named = (outgoing.target_content.get("context") or {}).get("mentions", [])
    return [address for address in named if f"@{address.partition('@')[0]}" in (outgoing.body or "")]


def _mentions(inner: Message, field: str) -> dict[str, Any]:
    named = envelope.read(inner, field, view_once=False).mentions
    return {"mentions": list(named)} if named else {}
