"""A LID that is learned late: everything that was kept under the number stands under the LID, in one unit."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import String, select

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.contacts.peers import Peer
from blazz.groups import service, storing
from blazz.groups.facts import GroupChange, GroupFacts, Member, Person
from blazz.kit.db import Platform, Tx, Workspace, metadata
from blazz.kit.time import utc_now
from blazz.messaging import changes, identities
from tests.messaging.stage import Stage
from tests.support.app import Person as User

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
PHONE, LID = "+628110000101", "100000000000101"
OLD, NEW = "628110000101@s.whatsapp.net", f"{LID}@lid"
ADDRESS = "120363000000000001@g.us"
IN_GROUP: dict[str, Any] = {"chat": ADDRESS, "is_group": True}
AYU, BUDI = Person(OLD, PHONE), Person("9628110000102@lid", "+628110000102", "9628110000102")

# Where the number's address stays, and why.
STAYS = {
    "chats.address": "the address that they used last; WhatsApp takes either",
    "outbox.recipient": "a message on its way goes to where it was addressed",
    "messages.content": "what was said: a text names its mentions by the digits that stand in it",
    "contact_history.data": "what was known when",
    "events.data": "what was told when",
    "phone_requests.body": "what a phone is about to be told, in its own words",
    "phone_people.address": "what a phone says of a person, under its own address; a contact gets it by either",
}
# Columns named like addresses that hold none of a person.
NO_PERSON = {
    "accounts.jid": "our own",
    "accounts.lid": "our own",
    "groups.address": "the group's own",
    "groups.community": "another group's",
    "group_members.lid": "digits, written with the address",
    "invitations.email": "no WhatsApp address",
}
REKEYED = {"messages.author", "message_receipts.recipient", "group_members.address", "groups.owner", "messages.extras"}
_NAMED_LIKE_ONE = re.compile(
    r"address|author|recipient|sender|participant|person|peer|member$|owner$|actor|jid|(^|_)lid$|community|email"
)


def test_every_column_that_may_hold_a_persons_address_is_known() -> None:
    like = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        if table.info.get("workspace_scoped")
        for column in table.columns
        if isinstance(column.type, String) or getattr(column.type, "impl", None).__class__ is String
        if _NAMED_LIKE_ONE.search(column.name)
    }
    assert like <= REKEYED | set(STAYS) | set(NO_PERSON), "a column for addresses: re-key it, or say why it stays"
    assert like >= {"messages.author", "message_receipts.recipient", "group_members.address", "groups.owner"}


def facts(*members: Member, owner: str | None = OLD) -> GroupFacts:
    """A group with these members."""
    return GroupFacts(
        address=ADDRESS,
        subject="Team",
        description="",
        owner=owner,
        founded_at=None,
        announcement=False,
        locked=False,
        join_approval=False,
        member_add_mode="all_member_add",
        ephemeral_s=0,
        is_community=False,
        community=None,
        suspended=False,
        members=members,
        size=len(members),
    )


@pytest.fixture
async def stage(owner: User) -> Stage:
    return await Stage.build(owner)


async def store(stage: Stage, told: GroupFacts) -> uuid.UUID:
    scope = Workspace(stage.owner.workspace_id)
    return await stage.owner.running.database.write(scope, storing.store_group, scope.id, stage.account_id, told)


async def learn(stage: Stage) -> None:
    scope = Workspace(stage.owner.workspace_id)
    await stage.owner.running.database.write(scope, identities.learn, [Peer(scope.id, PHONE, LID, reason="lookup")])


async def where_it_stands(stage: Stage, address: str) -> set[str]:
    """Look for an address in every text and document of the workspace."""

    def work(tx: Tx) -> set[str]:
        found = set()
        for table in metadata.sorted_tables:
            if "workspace_id" not in table.c:
                continue
            for row in tx.all(select(table).where(table.c.workspace_id == stage.owner.workspace_id)):
                for name, value in row.items():
                    text = value if isinstance(value, str) else json.dumps(value, default=str)
                    if address in text:
                        found.add(f"{table.name}.{name}")
        return found

    return await stage.owner.running.database.read(Platform("test"), work)


def reaction(to: str) -> bytes:
    """A thumb for a message of ours in the group."""
    message = Message()
    key = message.reactionMessage.key
    key.ID, key.remoteJID, key.participant = to, ADDRESS, "628119999999@s.whatsapp.net"
    message.reactionMessage.text = "\N{THUMBS UP SIGN}"
    message.reactionMessage.senderTimestampMS = 1_790_000_000_000
    return message.SerializeToString()


async def test_nothing_stays_under_the_number_that_has_no_reason_to(stage: Stage) -> None:
    group_id = await store(stage, facts(Member(AYU, "admin"), Member(BUDI, "member")))
    said = stage.inbound("hello all", phone=PHONE, **IN_GROUP)
    await stage.deliver(said, stage.inbound("hello you", phone=PHONE))
    ours = (await stage.send(to=str(group_id))).json()
    like = stage.inbound("", phone=PHONE, raw=reaction(ours["wa_message_id"]), **IN_GROUP)
    await stage.deliver(like)
    await stage.receipt(ours["wa_message_id"], "read", chat=ADDRESS, author=OLD)
    assert await where_it_stands(stage, OLD) >= REKEYED, "else this test shows nothing"
    await learn(stage)
    assert await where_it_stands(stage, OLD) <= set(STAYS)
    shown = (await stage.owner.get(f"/groups/{group_id}")).json()
    assert sorted(member["address"] for member in shown["members"]) == sorted([NEW, BUDI.address])
    (reacted,) = (await stage.owner.get(f"/messages/{ours['id']}")).json()["reactions"]
    assert reacted["author"] == NEW


async def test_doubles_in_a_group_are_dropped(stage: Stage) -> None:
    both = replace(AYU, address=NEW, phone=None, lid=LID)
    group_id = await store(stage, facts(Member(AYU, "admin"), Member(both, "member"), Member(BUDI, "member")))
    twice = {"wa_message_id": "3ATWICE", **IN_GROUP}
    await stage.deliver(stage.inbound("once", phone=PHONE, **twice))
    await stage.deliver(stage.inbound("once", phone=None, lid=LID, **twice))
    ours = (await stage.send(to=str(group_id))).json()
    for author in (OLD, NEW):
        await stage.receipt(ours["wa_message_id"], "delivered", chat=ADDRESS, author=author)
    await learn(stage)
    bodies = [(row["body"], row["author"]) for row in await stage.rows() if not row["from_me"]]
    assert bodies == [("once", NEW)]
    shown = (await stage.owner.get(f"/groups/{group_id}")).json()
    assert [(member["address"], member["role"]) for member in shown["members"]] == [
        (NEW, "admin"),
        (BUDI.address, "member"),
    ]
    chat = (await stage.owner.get(f"/chats/{group_id}")).json()
    assert (shown["member_count"], chat["member_count"], chat["unread_count"]) == (2, 2, 1)
    counted = (await stage.owner.get(f"/messages/{ours['id']}/receipts")).json()
    assert [entry["address"] for entry in counted["data"]] == [NEW]


async def test_a_failing_unit_leaves_everything_under_the_number(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(stage, facts(Member(AYU, "admin")))
    await stage.deliver(stage.inbound("hello all", phone=PHONE, **IN_GROUP))
    monkeypatch.setattr(changes, "follow_person", lambda *_: (_ for _ in ()).throw(RuntimeError("cut")))
    with pytest.raises(RuntimeError):
        await learn(stage)
    assert "messages.author" in await where_it_stands(stage, OLD)
    assert await where_it_stands(stage, NEW) == set()


async def test_a_listing_that_tells_the_lid_of_a_member_is_no_coming_and_going(stage: Stage) -> None:
    group_id = await store(stage, facts(Member(AYU, "admin"), Member(BUDI, "member")))
    named = Person(NEW, PHONE, LID)
    assert await store(stage, facts(Member(named, "admin"), Member(BUDI, "member"), owner=NEW)) == group_id
    told = (await stage.owner.get("/events", after=0, limit=200)).json()["data"]
    moves = [event["data"] for event in told if event["name"] == "group.participants"]
    assert [sorted(set(data) & {"joined", "left", "renamed"}) for data in moves] == [["renamed"]]


async def test_a_number_whose_lid_is_known_does_not_come_in_beside_it(stage: Stage) -> None:
    await learn(stage)
    group_id = await store(stage, facts(Member(AYU, "admin"), Member(BUDI, "member")))
    shown = (await stage.owner.get(f"/groups/{group_id}")).json()
    assert NEW in {member["address"] for member in shown["members"]}
    ours = (await stage.send(to=str(group_id))).json()
    for author in (NEW, OLD):
        await stage.receipt(ours["wa_message_id"], "delivered", chat=ADDRESS, author=author)
    assert (await stage.owner.get(f"/messages/{ours['id']}")).json()["receipts"]["delivered"] == 1
    scope = Workspace(stage.owner.workspace_id)
    gone = GroupChange(ADDRESS, BUDI, utc_now(), left=(AYU,))
    assert await stage.owner.running.database.write(scope, storing.store_change, scope.id, stage.account_id, gone)
    left = await stage.owner.running.database.read(scope, service.get_group, group_id)
    assert [member.address for member in left.members] == [BUDI.address]
