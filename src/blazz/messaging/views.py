"""From rows to what the API gives."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.media import service as media
from blazz.messaging import repository
from blazz.messaging.schemas import (
    Author,
    ChatContact,
    ChatView,
    ContextView,
    ErrorView,
    LastMessage,
    MediaPart,
    MessageView,
    TextView,
    UnsupportedPart,
)

Row = Mapping[str, Any] | RowMapping
_MEDIA_KINDS = frozenset({"image", "video", "audio", "document"})


def message_views(tx: Tx, rows: Sequence[Row]) -> list[MessageView]:
    """Return messages with their files and quotes; two statements for any number of them."""
    media_ids = [row["media_id"] for row in rows if row["media_id"] is not None]
    files = media.summaries(tx, [tx.workspace_id], media_ids) if media_ids else {}
    quoted_ids = {row["quoted_wa_message_id"] for row in rows if row["quoted_wa_message_id"]}
    quotes: dict[tuple[uuid.UUID, str], uuid.UUID] = {}
    if quoted_ids:
        accounts = {row["account_id"] for row in rows}
        quotes = repository.quoted_messages(tx, tx.workspace_id, accounts, quoted_ids)
    return [message_view(row, files.get(row["media_id"]), quotes) for row in rows]


def message_view(
    row: Row, file: media.MediaSummary | None, quotes: Mapping[tuple[uuid.UUID, str], uuid.UUID]
) -> MessageView:
    """Return one message. `file` is its media row, `quotes` gives our ids by (chat, WhatsApp id)."""
    kind = row["kind"]
    parts: dict[str, Any] = {}
    if kind == "text":
        parts["text"] = TextView.model_construct(body=row["body"] or "")
    elif kind in _MEDIA_KINDS:
        parts[kind] = _media_part(row, file)
    else:
        parts["unsupported"] = UnsupportedPart.model_construct(kind=row["content"].get("kind"))
    quoted = row["quoted_wa_message_id"]
    content = row["content"]
    return MessageView.model_construct(
        id=row["id"],
        chat_id=row["chat_id"],
        account_id=row["account_id"],
        direction="outbound" if row["from_me"] else "inbound",
        type=kind,
        **parts,
        context=ContextView.model_construct(message_id=quotes.get((row["chat_id"], quoted)), wa_message_id=quoted)
        if quoted
        else None,
        state=row["state"],
        error=ErrorView.model_construct(code=row["error_code"], message=row["error_detail"])
        if row["error_code"]
        else None,
        timestamp=row["timestamp"],
        wa_message_id=row["wa_message_id"],
        position=row["position"],
        sent_by=Author.model_construct(id=row["sent_by"]) if row["sent_by"] else None,
        source=row["source"],
        client_ref=content.get("client_ref"),
    )


def _media_part(row: Row, file: media.MediaSummary | None) -> MediaPart | UnsupportedPart:
    content = row["content"]
    if file is None:
        # a message that names no file: shown as one that could not be had
        return MediaPart.model_construct(
            id=row["id"], mime_type="application/octet-stream", status="failed", caption=row["body"]
        )
    placeholder = file.thumbnail
    return MediaPart.model_construct(
        id=file.id,
        mime_type=file.mime_type,
        status=file.status,
        caption=row["body"],
        filename=content.get("filename") or file.filename,
        size=file.size,
        width=file.width,
        height=file.height,
        thumbnail=f"data:image/webp;base64,{base64.b64encode(placeholder).decode()}" if placeholder else None,
        voice=content.get("voice"),
        seconds=content.get("seconds"),
    )


def chat_views(tx: Tx, rows: Sequence[Row]) -> list[ChatView]:
    """Return chats with contact and newest message; three statements for any number of them."""
    people = contacts.summaries(tx, tx.workspace_id, [row["contact_id"] for row in rows if row["contact_id"]])
    last_ids = [row["last_message_id"] for row in rows if row["last_message_id"] and row["last_from_me"]]
    states = repository.states_of(tx, tx.workspace_id, last_ids) if last_ids else {}
    return [_chat_view(row, people.get(row["contact_id"]), states) for row in rows]


def _chat_view(row: Row, person: contacts.ContactSummary | None, states: Mapping[uuid.UUID, Any]) -> ChatView:
    contact = None
    if person is not None:
        contact = ChatContact.model_construct(
            id=person.id,
            name=person.name,
            push_name=person.push_name,
            phone=person.phone,
            lid=person.lid,
            display_name=person.display_name,
        )
    last = None
    if row["last_message_at"] is not None:
        mine = bool(row["last_from_me"])
        last = LastMessage.model_construct(
            id=row["last_message_id"],
            kind=row["last_kind"] or "text",
            preview=row["last_preview"] or "",
            direction="outbound" if mine else "inbound",
            state=states.get(row["last_message_id"], "sent") if mine else "received",
            timestamp=row["last_message_at"],
        )
    return ChatView.model_construct(
        id=row["id"],
        account_id=row["account_id"],
        kind=row["kind"],
        contact=contact,
        last_message=last,
        unread_count=row["unread_count"],
        last_message_at=row["last_message_at"],
    )
