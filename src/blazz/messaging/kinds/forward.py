"""Forwards: a copy of a message of any chat of the workspace, sent on as what it is."""

from __future__ import annotations

import uuid
from typing import Any

from blazz.kit.http import RequestModel
from blazz.messaging.kinds.base import Draft, Kind, Lookup, Row, refuse

SCORE_MAX = 127  # WhatsApp's marks for messages that were forwarded very often lie higher


class ForwardBody(RequestModel):
    """The message to send on; it may be in another chat, and its file goes along."""

    message_id: uuid.UUID


class Forward(Kind):
    """Only a request: what is stored and sent is a message of the original's kind."""

    name = "forward"
    request = ForwardBody

    def draft(self, content: ForwardBody, lookup: Lookup) -> Draft:
        row = lookup.message(content.message_id, "forward.message_id", any_chat=True)
        if row["deleted_at"] is not None:
            raise refuse("message_deleted", "A deleted message cannot be forwarded.", "forward", "message_id")
        if _around(row).get("view_once"):
            text = "What may be seen only once cannot be forwarded."
            raise refuse("not_forwardable", text, "forward", "message_id")
        kept = {**row["content"], "context": {"forwarded": score(row)}}
        return Draft(row["body"], kept, row["media_id"], kind=row["kind"])


def score(row: Row) -> int:
    """Return how often a copy of the message was forwarded. Passing on what oneself wrote does not count."""
    before = int(_around(row).get("forwarded", 0))
    return before if row["from_me"] else min(before + 1, SCORE_MAX)


def _around(row: Row) -> dict[str, Any]:
    around: dict[str, Any] = row["content"].get("context") or {}
    return around
