"""Groups that a phone's history names have their name and members at once; WhatsApp's own word is newer."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from blazz._generated.engine import history_pb2 as pb
from blazz.contacts.peers import Peer
from blazz.groups import imported, service, storing
from blazz.groups.facts import GroupFacts
from blazz.kit.db import Workspace
from blazz.messaging import identities
from blazz.sessions.history_groups import groups_of
from tests.messaging.stage import Stage
from tests.support.app import Person as User

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
ADDRESS = "120363000000000001@g.us"
US, AYU, BUDI = "628119999999@s.whatsapp.net", "628110000101@s.whatsapp.net", "9628110000102@lid"


@pytest.fixture
async def stage(owner: User) -> Stage:
    """A number with a message in a group of which nothing else is known."""
    made = await Stage.build(owner)
    await made.deliver(made.inbound("hello all", chat=ADDRESS, is_group=True))
    return made


def remembered(*members: str, name: str = "Team", **facts: Any) -> list[imported.Remembered]:
    """What a piece of history says of the group; the first member owns it."""
    group = pb.HistoryGroup(created_at_ms=1_600_000_000_000, owner=members[0] if members else "", **facts)
    for at, member in enumerate(members):
        group.members.add(jid=member, role="member" if at else "superadmin")
    conversations = [
        pb.HistoryConversation(jid=ADDRESS, name=name, group=group),
        pb.HistoryConversation(jid="120363000000000009@g.us", name="Without a chat here", group=group),
        pb.HistoryConversation(jid=ADDRESS, name=name, continued=True),
        pb.HistoryConversation(jid=AYU, name="Ayu"),
    ]
    return groups_of(pb.HistoryPiece(conversations=conversations))


async def store(stage: Stage, groups: list[imported.Remembered]) -> None:
    scope = Workspace(stage.owner.workspace_id)
    await stage.owner.running.database.write(scope, imported.store, stage.account_id, groups)


async def shown(stage: Stage) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the group's chat and the groups of the workspace."""
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    return chat, (await stage.owner.get("/groups")).json()["data"]


async def test_an_imported_group_has_its_name_and_members_at_once(stage: Stage) -> None:
    await store(stage, remembered(AYU, BUDI, US, description="What we sell"))
    chat, (group,) = await shown(stage)
    assert (chat["name"], chat["member_count"], chat["closed"]) == ("Team", 3, None)
    assert (group["subject"], group["description"], group["state"], group["role"]) == (
        "Team",
        "What we sell",
        "member",
        "member",
    )
    members = (await stage.owner.get(f"/groups/{chat['id']}")).json()["members"]
    assert [(member["address"], member["role"]) for member in members if not member["is_us"]] == [
        (AYU, "superadmin"),
        (BUDI, "member"),
    ]
    told = [event["name"] for event in (await stage.owner.get("/events", after=0)).json()["data"]]
    assert told.count("group.created") == 1
    await store(stage, remembered(AYU, US, name="Older name"))  # the next blob names it again
    assert (await shown(stage))[0]["name"] == "Team"


async def test_a_group_that_the_number_has_left_can_be_read_only(stage: Stage) -> None:
    await store(stage, remembered(AYU, BUDI))
    chat, (group,) = await shown(stage)
    assert (chat["closed"], group["state"]) == ("left", "left")
    refused = await stage.send(to=chat["id"])
    assert refused.json()["code"] == "not_a_group_member"


async def test_a_group_whose_members_the_phone_does_not_name_has_its_name(stage: Stage) -> None:
    await store(stage, remembered())
    chat, groups = await shown(stage)
    assert (chat["name"], chat["member_count"], groups) == ("Team", None, [])


async def test_what_whatsapp_has_told_is_not_replaced_and_replaces(stage: Stage) -> None:
    scope = Workspace(stage.owner.workspace_id)
    database = stage.owner.running.database
    await database.write(scope, identities.learn, [Peer(scope.id, "+628110000101", "9628110000101", reason="lookup")])
    await store(stage, remembered(AYU, US))
    chat, _ = await shown(stage)
    group_id = uuid.UUID(chat["id"])
    before = await database.read(scope, service.get_group, group_id)
    assert "9628110000101@lid" in {member.address for member in before.members}, "under the LID that is known"
    (told,) = [group.facts for group in remembered(AYU, BUDI, US, name="New name") if group.facts.address == ADDRESS]
    assert isinstance(told, GroupFacts)
    await database.write(scope, storing.store_group, scope.id, stage.account_id, told)
    await store(stage, remembered(AYU, US))
    after = await database.read(scope, service.get_group, group_id)
    assert (after.subject, after.member_count) == ("New name", 3)
