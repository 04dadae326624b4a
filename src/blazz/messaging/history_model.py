"""What a piece of history holds, in our terms: chats with messages, ready to be stored."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from blazz.messaging.model import PreparedMessage

FOREVER = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
"""The end of a silence that has none."""
MAX_DAYS = 30
"""How far back history is imported when a number is linked (product rule)."""
MAX_CHATS = 500
"""How many chats are imported when a number is linked (product rule)."""
ON_DEMAND = 6
"""WhatsApp's type of a blob that was asked for."""
_RANKS_PER_SECOND = 1 << 20


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A message with its place. `state` is the delivery state of one of ours.

    `changes` are what the phone has noted at it (reactions, votes, a pin, its deletion), as messages of their own.
    `instead`, of an edit: the message that it changed, as it is now, in case that one is not in the history itself.
    """

    prepared: PreparedMessage
    rank: int
    state: str | None = None
    starred: bool = False
    changes: tuple[PreparedMessage, ...] = ()
    instead: PreparedMessage | None = None
    edited_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryChat:
    """A chat of the phone. `phone` and `lid` identify the person of a direct chat."""

    address: str
    is_group: bool
    phone: str | None
    lid: str | None
    messages: Sequence[HistoryMessage]
    unread: int = 0
    marked_unread: bool = False
    archived: bool = False
    pinned: bool = False
    muted_until: dt.datetime | None = None
    last_at: dt.datetime | None = None
    more_on_phone: bool = False
    continued: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom the phone knows: addresses, and the name that they have chosen."""

    phone: str | None
    lid: str | None
    push_name: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPiece:
    """One piece of a blob; `number` counts from 1."""

    number: int
    last: bool
    chats: Sequence[HistoryChat] = ()
    people: Sequence[Known] = ()


@dataclass(frozen=True, slots=True)
class ImportJob:
    """A blob to be fetched and stored. `notification` is sealed."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    account_id: uuid.UUID
    wa_message_id: str
    notification: bytes
    sync_type: int
    progress: int
    state: str
    pieces: int
    attempts: int

    @property
    def on_demand(self) -> bool:
        """Whether somebody asked for it; the limits of the first import do not hold then."""
        return self.sync_type == ON_DEMAND


@dataclass(slots=True)
class Imported:
    """What storing a piece did."""

    chat_ids: list[uuid.UUID] = field(default_factory=list)
    new_chats: int = 0
    messages: int = 0
    ended: bool = False


def rank_of(moment: dt.datetime, order: int) -> int:
    """Return the place of a message among all history: by its second, then by the phone's own order (from 0).

    It fits into 53 bits until the year 2242, so that it can pass through JSON; above 0 for every moment since 1970.
    """
    return max(1, int(moment.timestamp()) * _RANKS_PER_SECOND + order % _RANKS_PER_SECOND)
