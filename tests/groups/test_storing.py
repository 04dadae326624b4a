"""What is stored of groups, on every database: whole groups, changes, who has read a message in one."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from blazz.groups import service, storing
from blazz.groups.facts import GroupChange, GroupFacts, Member, Person
from blazz.kit.db import Tx, Workspace
from blazz.kit.time import utc_now
from blazz.messaging import group_receipts
from blazz.messaging.model import InboundReceipt
from blazz.messaging.receipts import store_receipts
from blazz.messaging.tables import messages
from tests.support.app import Person as User
from tests.support.filled import group, link

pytestmark = pytest.mark.anyio
ADDRESS = "120363000000000001@g.us"
AYU = Person("9628110000101@lid", "+628110000101", "9628110000101")
BUDI = Person("9628110000102@lid", "+628110000102", "9628110000102")


async def test_a_groups_life(owner: User) -> None:
    account_id = uuid.UUID((await owner.post("/accounts", {"name": "Shop"})).json()["id"])
    await link(owner, account_id)
    group_id = await group(owner, account_id)
    scope, database = Workspace(owner.workspace_id), owner.running.database

    async def change(**what: Any) -> None:
        made = GroupChange(ADDRESS, AYU, utc_now(), **what)
        assert await database.write(scope, storing.store_change, scope.id, account_id, made)

    await change(joined=(BUDI,), by_link=True)
    await change(promoted=(BUDI,), announcement=True, description="What is new")
    shown = await database.read(scope, service.get_group, group_id)
    assert (shown.description, shown.announcement, shown.member_count) == ("What is new", True, 3)
    assert [member.role for member in shown.members] == ["admin", "admin", "member"]

    sent = await owner.post("/messages", {"to": str(group_id), "type": "text", "text": {"body": "hello"}})
    assert sent.json()["receipts"]["recipients"] == 2
    message_id = uuid.UUID(sent.json()["id"])
    row = await database.read(scope, _message, message_id)

    async def reached(person: Person, state: Any) -> str:
        receipt = InboundReceipt(
            scope.id, account_id, (row["wa_message_id"],), ADDRESS, person.address, state, utc_now()
        )
        await database.write(scope, store_receipts, [receipt])
        return str((await database.read(scope, _message, message_id))["state"])

    assert await reached(AYU, "read") == "sent"
    assert await reached(BUDI, "delivered") == "delivered"
    assert await reached(BUDI, "read") == "read"
    listed = await database.read(scope, group_receipts.list_receipts, message_id)
    assert (listed.counts.delivered, listed.counts.read, listed.counts.played) == (2, 2, 0)
    assert {entry.address for entry in listed.data} == {AYU.address, BUDI.address}

    whole = GroupFacts(
        address=ADDRESS,
        subject="Team",
        description="",
        owner=None,
        founded_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        announcement=False,
        locked=True,
        join_approval=False,
        member_add_mode="admin_add",
        ephemeral_s=86_400,
        is_community=False,
        community=None,
        suspended=False,
        members=(Member(AYU, "superadmin"), Member(replace(BUDI, phone=None), "member")),
        size=2,
    )
    assert await database.write(scope, storing.store_group, scope.id, account_id, whole) == group_id
    shown = await database.read(scope, service.get_group, group_id)
    assert [(member.address, member.role) for member in shown.members] == [
        (AYU.address, "superadmin"),
        (BUDI.address, "member"),
    ]
    assert shown.members[1].phone == "+628110000102", "a number that is known is not forgotten"
    assert await database.write(scope, storing.leave_missing, account_id, []) == [group_id]
    page = await database.read(scope, service.list_groups, account_id=None, search="team", cursor=None, limit=10)
    assert [item.state for item in page.data] == ["left"]


def _message(tx: Tx, message_id: uuid.UUID) -> Any:
    row = tx.one(select(messages).where(messages.c.workspace_id == tx.workspace_id, messages.c.id == message_id))
    assert row is not None
    return row
