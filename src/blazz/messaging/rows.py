"""A message's row: every column, so that rows of all kinds go into one statement, and what its content keeps."""

from __future__ import annotations

from typing import Any

from blazz.messaging.identities import lid_address, phone_address
from blazz.messaging.kinds.sealed import SEALED
from blazz.messaging.model import InboundMessage, PreparedMessage

_EMPTY: dict[str, Any] = {
    "author": "",
    "history_rank": 0,
    "body": None,
    "media_id": None,
    "quoted_wa_message_id": None,
    "error_code": None,
    "error_detail": None,
    "sent_by": None,
    "flags": None,
    "raw": None,
    "target_wa_id": None,
    "target_id": None,
    "extras": None,
    "edited_at": None,
    "deleted_at": None,
    "hidden_at": None,
    "pinned_until": None,
    "starred_at": None,
}


def message_row(**values: Any) -> dict[str, Any]:
    """Return a row with `values`; what is not given is empty."""
    return {**_EMPTY, **values}


def content_of(item: PreparedMessage) -> dict[str, Any]:
    """Return what the row of a message that came in keeps beyond its body."""
    decoded = item.decoded
    assert decoded is not None
    content: dict[str, Any] = {**decoded.content, **decoded.envelope.stored()}
    target = decoded.target
    if target is not None:
        content["target"] = {"from_me": target.from_me, "author": target.author, "chat": target.chat}
    if SEALED in content:
        content[SEALED] = {**content[SEALED], "by": _addresses(item.message)}
    return content


def _addresses(message: InboundMessage) -> list[str]:
    """Return every address under which the author may have encrypted a change; ours are looked up when it is opened."""
    if message.from_me:
        return []
    phone = [phone_address(message.phone)] if message.phone else []
    lid = [lid_address(message.lid)] if message.lid else []
    return [message.author, *lid, *phone]
