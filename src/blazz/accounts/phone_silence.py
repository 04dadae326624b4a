"""A phone that is away for about two weeks loses its linked devices: this warns before.

A phone of which nothing is heard is asked first: one that is only idle answers.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import repository
from blazz.kit.db import Tx
from blazz.kit.time import rfc3339, utc_now

ASK_AFTER = dt.timedelta(days=8)
WARN_AFTER = dt.timedelta(days=10)
UNLINKED_AFTER = dt.timedelta(days=14)
"""WhatsApp's rule, as it tells people."""
_SETTLED = dt.timedelta(hours=1)  # after a login, what was missed brings signs of the time before


def note_seen(tx: Tx, workspace_ids: Collection[uuid.UUID], seen: Mapping[uuid.UUID, dt.datetime]) -> None:
    """Store when phones last showed themselves, by account; takes a warning back."""
    repository.set_phone_seen(tx, workspace_ids, [{"account": account, "at": at} for account, at in seen.items()])


def quiet(tx: Tx, account_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of these accounts whose phones are to be asked for a sign (platform scope)."""
    return repository.phones_quiet_since(tx, account_ids, utc_now() - ASK_AFTER)


def last_seen(row: RowMapping | Mapping[str, Any]) -> dt.datetime | None:
    """Return the last sign of an account's phone: at the latest it was there for the linking."""
    moments = [row[name] for name in ("phone_seen_at", "linked_at") if row[name] is not None]
    return max(moments, default=None)


def is_silent(row: RowMapping | Mapping[str, Any], now: dt.datetime) -> bool:
    """Tell whether the phone of a connected account was not seen for so long that its devices are in danger."""
    seen, connected = last_seen(row), row["connected_at"]
    if row["status"] != "connected" or seen is None or connected is None:
        return False
    return bool(now - seen >= WARN_AFTER and now - connected >= _SETTLED)


def warn(tx: Tx, rows: Sequence[RowMapping]) -> int:
    """Tell once of each phone that is silent for long (platform scope); returns how many."""
    now, told = utc_now(), 0
    for row in rows:
        if row["phone_warned_at"] is not None or not is_silent(row, now):
            continue
        seen = last_seen(row)
        assert seen is not None
        repository.change(tx, row["workspace_id"], row["id"], {"phone_warned_at": now})
        data = {
            "account_id": str(row["id"]),
            "phone_seen_at": rfc3339(seen),
            "unlinked_about": rfc3339(seen + UNLINKED_AFTER),
        }
        events.append(tx, "account.phone_silent", data, workspace_id=row["workspace_id"], account_id=row["id"])
        told += 1
    return told
