"""Notices in a chat: what happened there that nobody wrote.

One happening may be told live and by a phone's history, which know no name of it in common: its chat, what it was and
when make it the same.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blazz import events
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import repository
from blazz.messaging.kinds.base import Row
from blazz.messaging.repository import notices as sql
from blazz.messaging.rows import message_row
from blazz.messaging.tables import messages

_SLACK = dt.timedelta(seconds=3)  # both sides give WhatsApp's second
_HEARD = dt.timedelta(minutes=2)  # live these have the moment at which we heard of them
_WHEN_HEARD = frozenset({"group_entered", "security_code_changed"})
_SAME_AS = {"group_created": "group_entered"}


class Known:
    """The notices around some others, to tell whether those tell anything new."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_chat: dict[tuple[uuid.UUID, str], list[Row]] = defaultdict(list)
        for row in rows:
            self._by_chat[row["chat_id"], _event(row)].append(row)

    @classmethod
    def around(cls, tx: Tx, rows: Sequence[Row], *, imported: bool = False) -> Known:
        """Look up what was told live, or `imported`, around the moments of `rows`, which are of one workspace."""
        moments = [row["timestamp"] for row in rows]
        chat_ids = {row["chat_id"] for row in rows}
        found = sql.near(tx, rows[0]["workspace_id"], chat_ids, min(moments) - _HEARD, max(moments) + _HEARD)
        return cls(row for row in found if bool(row["history_rank"]) == imported)

    def has(self, row: Row) -> bool:
        """Tell whether one of them tells the same as `row`."""
        slack = _HEARD if _event(row) in _WHEN_HEARD else _SLACK
        return any(
            abs(one["timestamp"] - row["timestamp"]) <= slack and _people(one) == _people(row)
            for one in self._by_chat[row["chat_id"], _event(row)]
        )


def _event(row: Row) -> str:
    event = str(row["content"].get("event"))
    return _SAME_AS.get(event, event)


def _people(row: Row) -> int:
    """Return how many people a notice names: their addresses may be of either kind."""
    return len(row["content"].get("data", {}).get("participants", ()))


def add(
    tx: Tx,
    chat: repository.ChatState,
    event: str,
    data: Mapping[str, Any],
    *,
    key: str,
    author: str = "",
    at: dt.datetime | None = None,
) -> uuid.UUID | None:
    """Add a notice `event` to a chat and return its id; None when the one named `key` is there already, or history has
    brought it.

    `key` (at most 120 characters) tells one happening from another when it is delivered again. `author` is the address
    of who caused it, empty for us or nobody. The unit must see all rows of the workspace.
    """
    name = f"notice:{key}"
    now = utc_now()
    identity = (chat.account_id, name, False, author)
    if identity in repository.present_identities(tx, [chat.workspace_id], [chat.account_id], [name]):
        return None
    row = message_row(
        id=uuid7(),
        workspace_id=chat.workspace_id,
        account_id=chat.account_id,
        chat_id=chat.id,
        wa_message_id=name,
        from_me=False,
        author=author,
        kind="system",
        content={"event": event, "data": dict(data)},
        state="received",
        state_at=now,
        source="system",
        timestamp=at or now,
        created_at=now,
    )
    if Known.around(tx, [row], imported=True).has(row):
        return None
    told = events.append(
        tx,
        "message.received",
        {"message_id": str(row["id"]), "chat_id": str(chat.id)},
        workspace_id=chat.workspace_id,
        account_id=chat.account_id,
    )
    events.insert_at_position(tx, messages, row, told)
    return uuid.UUID(str(row["id"]))
