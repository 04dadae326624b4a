"""Groups that are not here yet: their rows, from what WhatsApp or a phone tells of them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from blazz.accounts import service as accounts
from blazz.groups import repository
from blazz.groups.facts import GroupFacts, Member, Person
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

SETTINGS = ("announcement", "locked", "join_approval", "member_add_mode", "ephemeral_s", "suspended")
_PLAIN = ("owner", "founded_at", "is_community", "community", *SETTINGS)


class Us:
    """Our own addresses on an account."""

    def __init__(self, tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
        self._known = set(accounts.own_addresses(tx, workspace_id, account_id))

    def is_us(self, person: Person | None) -> bool:
        if person is None:
            return False
        number = None if person.phone is None else f"{person.phone.removeprefix('+')}@s.whatsapp.net"
        return person.address in self._known or number in self._known


def columns_of(facts: GroupFacts, *, state: str, role: str) -> dict[str, Any]:
    """Return the columns of a group with these facts, as we stand to it."""
    return {
        **{name: getattr(facts, name) for name in _PLAIN},
        "subject": facts.subject[:128],
        "description": facts.description or None,
        "state": state,
        "role": role,
        "member_count": facts.size,
    }


def insert(
    tx: Tx,
    workspace_id: uuid.UUID,
    account_id: uuid.UUID,
    chat_id: uuid.UUID,
    facts: GroupFacts,
    columns: dict[str, Any],
) -> None:
    """Insert a group and its members."""
    now = utc_now()
    own = {"id": chat_id, "workspace_id": workspace_id, "account_id": account_id, "address": facts.address}
    repository.insert_group(tx, {**own, **columns, "created_at": now, "updated_at": now})
    repository.insert_members(tx, [member_row(workspace_id, chat_id, member, now) for member in facts.members])


def member_row(workspace_id: uuid.UUID, group_id: uuid.UUID, member: Member, now: dt.datetime) -> dict[str, Any]:
    """Return the row of a member."""
    person = member.person
    return {
        "id": uuid7(),
        "workspace_id": workspace_id,
        "group_id": group_id,
        "address": person.address,
        "phone": person.phone,
        "lid": person.lid,
        "role": member.role,
        "created_at": now,
    }
