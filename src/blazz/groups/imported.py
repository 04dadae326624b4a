"""Groups as a phone remembers them: what an imported chat of a group shows until WhatsApp tells of it.

What is known of a group already came from WhatsApp, and is newer.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from blazz import events
from blazz.accounts import service as accounts
from blazz.groups import people, repository
from blazz.groups.closed import closed
from blazz.groups.facts import GroupFacts
from blazz.groups.new import Us, columns_of, insert
from blazz.kit.db import Tx
from blazz.messaging import group_chats


@dataclass(frozen=True, slots=True)
class Remembered:
    """A group of a phone. Without members the phone tells its name only. `ended`: the group is no more."""

    facts: GroupFacts
    ended: bool = False


def store(tx: Tx, account_id: uuid.UUID, groups: Sequence[Remembered]) -> None:
    """Store those groups that have a chat here and are not known yet. The scope is the account's workspace."""
    if not groups:
        return
    workspace_id = tx.workspace_id
    accounts.hold(tx, workspace_id, account_id)
    addresses = [group.facts.address for group in groups]
    chats = group_chats.known(tx, workspace_id, account_id, addresses)
    present = repository.by_address(tx, workspace_id, account_id, addresses)
    us = Us(tx, workspace_id, account_id)
    for group in groups:
        chat_id = chats.get(group.facts.address)
        if chat_id is not None and group.facts.address not in present:
            _store(tx, account_id, chat_id, group, us)


def _store(tx: Tx, account_id: uuid.UUID, chat_id: uuid.UUID, group: Remembered, us: Us) -> None:
    workspace_id = tx.workspace_id
    facts = people.facts_under_lids(tx, workspace_id, group.facts)
    if not facts.members:
        group_chats.describe(tx, workspace_id, chat_id, name=facts.subject, member_count=None, closed=None)
        return
    ours = next((member for member in facts.members if us.is_us(member.person)), None)
    state = "deleted" if group.ended else "left" if ours is None else "member"
    columns = columns_of(facts, state=state, role="member" if ours is None else ours.role)
    insert(tx, workspace_id, account_id, chat_id, facts, columns)
    told = {"group_id": str(chat_id), "chat_id": str(chat_id), "entered": False}
    events.append(tx, "group.created", told, workspace_id=workspace_id, account_id=account_id)
    group_chats.describe(tx, workspace_id, chat_id, name=facts.subject, member_count=facts.size, closed=closed(columns))
