"""What WhatsApp forbids a number at the moment: kinds, what each stops, how they are stored and told.

An account may be under several at once; each kind is there at most once. One whose end is past counts for nothing,
whether somebody has lifted it already or not.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import repository
from blazz.kit.db import Tx
from blazz.kit.time import rfc3339

RestrictionKind = Literal["reachout_timelock", "new_chat_limit", "rate_limited", "temporary_ban", "banned"]
Sending = Literal["allowed", "stopped"]

# The worst first; every kind stops new chats.
KINDS: tuple[RestrictionKind, ...] = get_args(RestrictionKind)[::-1]
_STOPS_ALL: frozenset[str] = frozenset({"rate_limited", "temporary_ban", "banned"})
# Without a connection nothing can be tried: these say so of themselves.
BANS: frozenset[RestrictionKind] = frozenset({"temporary_ban", "banned"})

_NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
_REASONS: dict[str, str] = {
    "reachout_timelock": "WhatsApp does not let this number start new chats for now. People who wrote to it before can "
    "be answered.",
    "new_chat_limit": "This number has used up the new chats that WhatsApp allows it in this period. People who wrote "
    "to it before can be answered.",
    "rate_limited": "This number sent more than WhatsApp allows; sending is paused.",
    "temporary_ban": "WhatsApp has banned this number for some time.",
    "banned": "WhatsApp has banned this number for good. Ask WhatsApp for a review on the phone.",
}


@dataclass(frozen=True, slots=True)
class Restriction:
    """One refusal that lasts. `until` None: it has no end. `assumed`: WhatsApp told no end, this one is our guess."""

    kind: RestrictionKind
    since: dt.datetime
    until: dt.datetime | None = None
    assumed: bool = False
    code: int | None = None
    detail: str | None = None

    @property
    def existing_chats(self) -> Sending:
        """Whether chats with people who have written before go on."""
        return "stopped" if self.kind in _STOPS_ALL else "allowed"

    @property
    def reason(self) -> str:
        """What it is, in words."""
        words = _REASONS[self.kind]
        return f"{words} WhatsApp says: {self.detail}." if self.detail else words

    def over(self, now: dt.datetime) -> bool:
        """Tell whether its end has passed."""
        return self.until is not None and self.until <= now


def load(stored: Mapping[str, Any] | None) -> list[Restriction]:
    """Return stored restrictions, the worst first; kinds that this release does not know are left out."""
    found = stored or {}
    return [_from_json(kind, found[kind]) for kind in KINDS if kind in found]


def active(stored: Mapping[str, Any] | None, now: dt.datetime) -> list[Restriction]:
    """Return those that hold at `now`, the worst first."""
    return [one for one in load(stored) if not one.over(now)]


def stops_until(held: Iterable[Restriction], *, new_chat: bool) -> dt.datetime | None:
    """Return until when sending is stopped by these; None when it is not. What has no end ends in the far future."""
    ends = [one.until or _NEVER for one in held if new_chat or one.existing_chats == "stopped"]
    return max(ends, default=None)


def restrict(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, restriction: Restriction) -> bool:
    """Store a restriction (one of its kind is replaced, but keeps its beginning); returns whether anything is new."""
    row = repository.find(tx, workspace_id, account_id, for_update=True)
    if row is None:
        return False
    stored = dict(row["restrictions"] or {})
    before = next((one for one in load(stored) if one.kind == restriction.kind), None)
    if before is not None and not before.over(restriction.since):
        if before.until == restriction.until:
            return False
        restriction = Restriction(
            restriction.kind,
            before.since,
            restriction.until,
            restriction.assumed,
            restriction.code or before.code,
            restriction.detail or before.detail,
        )
    stored[restriction.kind] = _to_json(restriction)
    repository.change(tx, workspace_id, account_id, {"restrictions": stored})
    data = {"account_id": str(account_id), **told(restriction)}
    events.append(tx, "account.restricted", data, workspace_id=workspace_id, account_id=account_id)
    return True


def lift(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, kinds: Collection[str]) -> list[str]:
    """Take restrictions away; returns the kinds that were there. Each is told by an event."""
    row = repository.find(tx, workspace_id, account_id, for_update=True)
    stored = dict((row["restrictions"] if row is not None else None) or {})
    gone = [kind for kind in KINDS if kind in kinds and kind in stored]
    if not gone:
        return []
    left = {kind: value for kind, value in stored.items() if kind not in gone}
    repository.change(tx, workspace_id, account_id, {"restrictions": left or None})
    for kind in gone:
        data = {"account_id": str(account_id), "kind": kind}
        events.append(tx, "account.restriction_lifted", data, workspace_id=workspace_id, account_id=account_id)
    return list(gone)


def told(restriction: Restriction) -> dict[str, Any]:
    """Return a restriction as events tell it."""
    return {
        "kind": restriction.kind,
        "until": None if restriction.until is None else rfc3339(restriction.until),
        "new_chats": "stopped",
        "existing_chats": restriction.existing_chats,
    }


def worst(row: RowMapping | Mapping[str, Any], now: dt.datetime) -> Restriction | None:
    """Return the restriction that an account's row shows first; None when none holds."""
    return next(iter(active(row["restrictions"], now)), None)


def held_until(row: RowMapping | Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    """Return until when an account's messages may have to wait, as far as that has an end."""
    ends: Sequence[dt.datetime] = [one.until for one in active(row["restrictions"], now) if one.until is not None]
    return max(ends, default=None)


def _to_json(restriction: Restriction) -> dict[str, Any]:
    return {
        "since": restriction.since.isoformat(),
        "until": None if restriction.until is None else restriction.until.isoformat(),
        "assumed": restriction.assumed,
        "code": restriction.code,
        "detail": restriction.detail,
    }


def _from_json(kind: RestrictionKind, stored: Mapping[str, Any]) -> Restriction:
    until = stored.get("until")
    return Restriction(
        kind,
        dt.datetime.fromisoformat(stored["since"]),
        None if until is None else dt.datetime.fromisoformat(until),
        bool(stored.get("assumed")),
        stored.get("code"),
        stored.get("detail"),
    )
