"""The audit trail of who somebody is: which addresses were learned, moved or merged, when and why."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from blazz.contacts import repository_history
from blazz.contacts.peers import Reason as Reason
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

Event = Literal[
    "merged",  # another contact proved to be this one; data: merged_contact_id, name, push_name, identifiers
    "mapping_learned",  # number and LID belong together; data: phone, lid
    "number_changed",  # the person has another number; data: before, after
    "number_form",  # the same number, as WhatsApp writes it; data: before, after
    "number_lost",  # the number belongs to somebody else now; data: phone, to_contact_id
    "number_taken",  # the number belonged to somebody else before; data: phone, from_contact_id
    "identifier_set",  # data: kind, before, after
    "security_code_changed",  # another phone, or a new installation; data: account_id
    "blocked",  # data: account_id
    "unblocked",  # data: account_id
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing learned about a contact."""

    workspace_id: uuid.UUID
    contact_id: uuid.UUID
    event: Event
    reason: Reason
    data: Mapping[str, Any]
    user_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as it is shown."""

    id: uuid.UUID
    event: str
    reason: str
    data: dict[str, Any]
    user_id: uuid.UUID | None
    created_at: dt.datetime


def add(tx: Tx, entries: Sequence[Entry]) -> None:
    """Store entries, in the order given."""
    now = utc_now()
    rows = [
        {
            "id": uuid7(),
            "workspace_id": entry.workspace_id,
            "contact_id": entry.contact_id,
            "event": entry.event,
            "reason": entry.reason,
            "data": dict(entry.data),
            "user_id": entry.user_id,
            "created_at": now,
        }
        for entry in entries
    ]
    repository_history.insert_entries(tx, rows)


def page(
    tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID, before: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> list[Shown]:
    """Return a contact's entries, newest first."""
    return [Shown(**row) for row in repository_history.page(tx, workspace_id, contact_id, before, limit)]
