"""What the session rooms hand to messaging: messages and receipts from WhatsApp."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Literal

from blazz.messaging.kinds import Decoded, MediaReference

STATE_ORDER = {"pending": 0, "sent": 1, "delivered": 2, "read": 3, "played": 4}


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message from WhatsApp. `phone` and `lid` identify the peer: the sender, or the recipient of one of ours.

    `chat` and `author` are device-less addresses; `author` is the LID where it is known, empty when `from_me`.
    """

    workspace_id: uuid.UUID
    account_id: uuid.UUID
    wa_message_id: str
    from_me: bool
    chat: str
    is_group: bool
    author: str
    phone: str | None
    lid: str | None
    timestamp: dt.datetime
    push_name: str | None
    raw: bytes
    offline: bool = False
    undecryptable: bool = False


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """An inbound message, decoded outside the unit of work. `decoded` is None when it is nothing for people."""

    message: InboundMessage
    decoded: Decoded | None
    flags: dict[str, object] = field(default_factory=dict)

    @property
    def account_id(self) -> uuid.UUID:
        """The account that received it."""
        return self.message.account_id


@dataclass(frozen=True, slots=True)
class InboundReceipt:
    """A receipt from WhatsApp. `from_me` marks what our own phone or another device of ours has read."""

    workspace_id: uuid.UUID
    account_id: uuid.UUID
    wa_message_ids: tuple[str, ...]
    chat: str
    author: str
    state: Literal["delivered", "read", "played"]
    at: dt.datetime
    from_me: bool = False


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What storing a batch did: rows inserted, doubles dropped, files that must be fetched."""

    stored: int
    doubles: int
    media: int


__all__ = [
    "STATE_ORDER",
    "Decoded",
    "InboundMessage",
    "InboundReceipt",
    "MediaReference",
    "PreparedMessage",
    "StoreResult",
]
