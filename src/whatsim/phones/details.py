"""What a message holds beyond its text, as the phone's owner sees it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from whatsim.phones import files
from whatsim.wire import e2e, kinds

_NUMBER = re.compile(r"^(?:item\d+\.)?TEL[^:]*:(.+)$", re.MULTILINE)


def details_of(outer: e2e.Message, content: e2e.Message) -> dict[str, Any]:
    """Return what a kind has beyond its text, and what came around it. `content` is `outer` without its wrappers."""
    found = {**_of_kind(content), **_around(context_of(content))}
    if e2e.once(outer) is not None or files.once(content):
        found["view_once"] = True
    if (protocol := content.protocol) is not None and protocol.type == e2e.TYPE_TIMER:
        found["seconds"] = protocol.expiration or 0
    return found


def context_of(content: e2e.Message) -> kinds.ContextInfo | None:
    """Return what came around a message."""
    parts = (
        content.extended_text,
        content.image,
        content.video or content.video_note,
        content.audio,
        content.document,
        content.sticker,
        content.location,
        content.live_location,
        content.group_invite,
        content.contact,
        content.contacts,
        content.poll,
        content.poll_v3,
        content.buttons_reply,
        content.list_reply,
    )
    return next((part.context for part in parts if part is not None), None)


def option_hash(name: str) -> bytes:
    """Return how a vote names an option."""
    return hashlib.sha256(name.encode()).digest()


def _of_kind(content: e2e.Message) -> dict[str, Any]:
    if (file := files.details_of(content)) is not None:
        return file
    if (invitation := content.group_invite) is not None:
        told = {"group": invitation.group, "name": invitation.name, "code": invitation.code}
        return {**told, "expires_at": invitation.expiration}
    if (poll := content.poll or content.poll_v3) is not None:
        return {"options": [option.name or "" for option in poll.options], "multiple": poll.selectable != 1}
    if (place := content.location) is not None:
        told = {"name": place.name, "address": place.address}
        point: dict[str, Any] = {"latitude": place.latitude, "longitude": place.longitude}
        return point | {key: value for key, value in told.items() if value}
    if (moving := content.live_location) is not None:
        point = {"latitude": moving.latitude, "longitude": moving.longitude}
        return {**point, "live": True, "sequence": moving.sequence or 0}
    cards = [content.contact] if content.contact is not None else content.contacts.contacts if content.contacts else []
    if cards:
        return {"cards": [{"name": card.name or "", "numbers": _NUMBER.findall(card.vcard or "")} for card in cards]}
    if content.buttons is not None:
        return {"buttons": [_choice(one.id, one.text.text if one.text else "") for one in content.buttons.buttons]}
    if content.list_picker is not None:
        rows = (row for section in content.list_picker.sections for row in section.rows)
        return {"rows": [_choice(row.id, row.title) for row in rows]}
    if content.buttons_reply is not None:
        return {"picked": content.buttons_reply.id}
    if content.list_reply is not None:
        return {"picked": content.list_reply.picked.id if content.list_reply.picked else None}
    if content.pin is not None:
        return {"seconds": content.about.addition_s or 0} if content.about is not None else {}
    return {}


def _choice(choice_id: str | None, title: str | None) -> dict[str, str]:
    return {"id": choice_id or "", "title": title or ""}


def _around(context: kinds.ContextInfo | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if context is not None:
        if context.mentioned:
            found["mentions"] = context.mentioned
        if context.is_forwarded:
            found["forwarded"] = max(context.forwarding_score or 1, 1)
        if context.expiration:
            found["expires_s"] = context.expiration
    return found
