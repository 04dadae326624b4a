"""From rows to what the API gives."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz.contacts import service as contacts
from blazz.contacts.by_address import people_at
from blazz.kit.db import Tx
from blazz.kit.time import from_unix_ms
from blazz.media import service as media
from blazz.messaging import group_receipts, kinds, mentions, repository, settings
from blazz.messaging.kinds.envelope import FREQUENTLY
from blazz.messaging.repository import group_messages
from blazz.messaging.schemas import (
    Author,
    ChatContact,
    ChatLabel,
    ChatView,
    ContextView,
    ErrorView,
    LastMessage,
    Mentioned,
    MessageView,
    ReactionView,
)

Row = Mapping[str, Any] | RowMapping
_SHOWN = frozenset(kind.name for kind in kinds.SHOWN)


def message_views(tx: Tx, rows: Sequence[Row], *, shared: Mapping[uuid.UUID, str] | None = None) -> list[MessageView]:
    """Return messages with their files, quotes and the people they name, and in groups their authors.

    Thirteen statements at most. `shared` gives the chats in which several people write, with their kinds, where that
    is known already.
    """
    media_ids = [row["media_id"] for row in rows if row["media_id"] is not None]
    files = media.summaries(tx, [tx.workspace_id], media_ids) if media_ids else {}
    quoted_ids = {row["quoted_wa_message_id"] for row in rows if row["quoted_wa_message_id"]}
    quotes: dict[tuple[uuid.UUID, str], uuid.UUID] = {}
    if quoted_ids:
        accounts = {row["account_id"] for row in rows}
        quotes = repository.quoted_messages(tx, tx.workspace_id, accounts, quoted_ids)
    named = mentions.of_rows(tx, rows)
    views = [message_view(row, files.get(row["media_id"]), quotes, named.get(row["id"], ())) for row in rows]
    if shared is None:
        shared = group_messages.shared_among(tx, [tx.workspace_id], {row["chat_id"] for row in rows}) if rows else {}
    return _with_group_parts(tx, rows, views, shared) if shared else views


def _with_group_parts(
    tx: Tx, rows: Sequence[Row], views: list[MessageView], shared: Mapping[uuid.UUID, str]
) -> list[MessageView]:
    """Name the authors of messages where several people write, and count in groups how far ours got."""
    ours = [row["id"] for row in rows if row["from_me"] and shared.get(row["chat_id"]) == "group"]
    authors = {row["author"] for row in rows if row["author"] and row["chat_id"] in shared}
    people = people_at(tx, tx.workspace_id, authors) if authors else {}
    reached = group_receipts.counts(tx, [tx.workspace_id], ours)
    return [
        view.model_copy(
            update={
                "sender": ChatContact.of(people.get(view.author)),
                "receipts": reached[view.id].view() if view.id in reached else None,
            }
        )
        if view.chat_id in shared
        else view
        for view in views
    ]


def message_view(
    row: Row,
    file: media.MediaSummary | None,
    quotes: Mapping[tuple[uuid.UUID, str], uuid.UUID],
    named: Sequence[Mentioned],
) -> MessageView:
    """Return one message. `file` is its media row, `quotes` gives our ids by (chat, WhatsApp id)."""
    kind = kinds.kind_of(row["kind"])
    parts: dict[str, Any] = {}
    shown_as = kind.shown_as or kind.name
    if row["deleted_at"] is None and shown_as in _SHOWN:
        parts[shown_as] = kind.show(row, file)
    content = row["content"]
    around = content.get("context") or {}
    expires_s = around.get("expires_s")
    extras = row["extras"] or {}
    return MessageView.model_construct(
        id=row["id"],
        chat_id=row["chat_id"],
        account_id=row["account_id"],
        direction="outbound" if row["from_me"] else "inbound",
        type=shown_as,
        author=row["author"],
        **parts,
        context=_context(row, around, quotes, named),
        state=row["state"],
        error=ErrorView.model_construct(code=row["error_code"], message=row["error_detail"])
        if row["error_code"]
        else None,
        timestamp=row["timestamp"],
        wa_message_id=row["wa_message_id"],
        position=row["position"],
        history_rank=row["history_rank"],
        sent_by=Author.model_construct(id=row["sent_by"]) if row["sent_by"] else None,
        source=row["source"],
        client_ref=content.get("client_ref"),
        reactions=[_reaction(author, one) for author, one in extras.get("reactions", {}).items() if one["emoji"]],
        edited_at=row["edited_at"],
        deleted_at=row["deleted_at"],
        hidden_at=row["hidden_at"],
        pinned_until=row["pinned_until"],
        starred_at=row["starred_at"],
        view_once=around.get("view_once", False),
        expires_at=row["timestamp"] + dt.timedelta(seconds=expires_s) if expires_s else None,
        offline=bool((row["flags"] or {}).get("offline")),
        target_id=row["target_id"],
    )


def _context(
    row: Row,
    around: Mapping[str, Any],
    quotes: Mapping[tuple[uuid.UUID, str], uuid.UUID],
    named: Sequence[Mentioned],
) -> ContextView | None:
    quoted, score = row["quoted_wa_message_id"], around.get("forwarded", 0)
    if not quoted and not score and "mentions" not in around:
        return None
    return ContextView.model_construct(
        message_id=quotes.get((row["chat_id"], quoted)),
        wa_message_id=quoted,
        mentions=around.get("mentions", []),
        mentioned=list(named) if row["deleted_at"] is None else [],
        forwarded=score > 0,
        frequently_forwarded=score >= FREQUENTLY,
    )


def _reaction(author: str, one: Mapping[str, Any]) -> ReactionView:
    return ReactionView.model_construct(
        emoji=one["emoji"], author=author, from_me=not author, at=from_unix_ms(one["at"])
    )


def chat_views(tx: Tx, rows: Sequence[Row]) -> list[ChatView]:
    """Return chats with contact and newest message; ten statements at most for any number of them."""
    people = contacts.summaries(tx, tx.workspace_id, [row["contact_id"] for row in rows if row["contact_id"]])
    last_ids = [row["last_message_id"] for row in rows if row["last_message_id"] and row["last_from_me"]]
    states = repository.states_of(tx, tx.workspace_id, last_ids) if last_ids else {}
    labels = settings.chat_labels(tx, [row["id"] for row in rows])
    named = _named_in_previews(tx, rows)
    return [
        _chat_view(
            row,
            people.get(row["contact_id"]),
            states,
            labels.get(row["id"], ()),
            named.get(row["last_message_id"], ()),
        )
        for row in rows
    ]


def _named_in_previews(tx: Tx, rows: Sequence[Row]) -> dict[uuid.UUID, list[Mentioned]]:
    ids = [row["last_message_id"] for row in rows if mentions.names_somebody(row["last_preview"])]
    return mentions.of_rows(tx, repository.texts_of(tx, tx.workspace_id, ids)) if ids else {}


def _chat_view(
    row: Row,
    person: contacts.ContactSummary | None,
    states: Mapping[uuid.UUID, Any],
    labels: Sequence[Row],
    named: Sequence[Mentioned],
) -> ChatView:
    last = None
    if row["last_message_at"] is not None:
        mine = bool(row["last_from_me"])
        last = LastMessage.model_construct(
            id=row["last_message_id"],
            kind=row["last_kind"] or "text",
            preview=row["last_preview"] or "",
            mentioned=list(named),
            direction="outbound" if mine else "inbound",
            state=states.get(row["last_message_id"], "sent") if mine else "received",
            timestamp=row["last_message_at"],
        )
    return ChatView.model_construct(
        id=row["id"],
        account_id=row["account_id"],
        kind=row["kind"],
        contact=ChatContact.of(person),
        name=row["name"],
        member_count=row["member_count"],
        picture_id=row["picture_id"],
        closed=row["closed"],
        last_message=last,
        unread_count=row["unread_count"],
        last_message_at=row["last_message_at"],
        archived=bool(row["archived"]),
        pinned=row["pinned_at"] is not None,
        muted_until=row["muted_until"],
        marked_unread=bool(row["marked_unread"]),
        labels=[ChatLabel.model_construct(id=one["id"], name=one["name"], colour=one["colour"]) for one in labels],
        timer_s=row["timer_s"],
        more_on_phone=row["more_on_phone"],
    )
