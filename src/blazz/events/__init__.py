"""The event log: one gapless sequence per workspace, appended in the writer's own transaction."""

from blazz.events.log import EventDraft, append, insert_at_position, see_all_rows
from blazz.events.reader import (
    EventPage,
    EventRow,
    PositionExpired,
    read_after,
    read_head,
)
from blazz.events.wakeups import Wakeups

__all__ = [
    "EventDraft",
    "EventPage",
    "EventRow",
    "PositionExpired",
    "Wakeups",
    "append",
    "insert_at_position",
    "read_after",
    "read_head",
    "see_all_rows",
]
