"""Groups through the API: shown with names and roles, changed on WhatsApp, and refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.groups import storing
from blazz.groups.facts import GroupChange, Person
from blazz.kit.db import Workspace, Workspaces
from blazz.kit.errors import conflict
from blazz.kit.time import utc_now
from blazz.messaging.inbound import prepare, store_messages
from tests.groups.conftest import Stage
from tests.messaging.stage import Stage as Inbound

pytestmark = pytest.mark.anyio
ADDRESS = "120363000000000001@g.us"
US = {"jid": "9628110000001@lid", "lid": "9628110000001@lid", "phone": "628110000001@s.whatsapp.net", "role": "admin"}
AYU = {"jid": "9628110000101@lid", "lid": "9628110000101@lid", "phone": "628110000101@s.whatsapp.net"}


def told(**changes: Any) -> dict[str, Any]:
    """Return a group as WhatsApp tells of it."""
    return {"jid": ADDRESS, "subject": "Team", "members": [US, {**AYU, "role": "member"}], "size": 2, **changes}


async def test_a_group_is_shown_with_names_and_roles(stage: Stage) -> None:
    await stage.owner.post("/contacts", {"phone": "+628110000101", "name": "Ayu"})
    listed = (await stage.owner.get("/groups", search="tEA")).json()["data"]
    assert [(item["id"], item["subject"]) for item in listed] == [(str(stage.group_id), "Team")]
    shown = (await stage.owner.get(f"/groups/{stage.group_id}")).json()
    assert shown["role"] == "admin"
    members = [(member["display_name"], member["role"], member["is_us"]) for member in shown["members"]]
    assert members == [("+628110000001", "admin", True), ("Ayu", "member", False)]
    chat = (await stage.owner.get(f"/chats/{stage.group_id}")).json()
    assert (chat["kind"], chat["name"], chat["member_count"], chat["closed"]) == ("group", "Team", 2, None)
    assert (await stage.owner.get("/groups", search="nothing")).json()["data"] == []


async def test_a_change_is_made_on_whatsapp_and_stored_as_it_answers(stage: Stage) -> None:
    stage.whatsapp.told["Info"] = told(subject="Orders", announcement=True)
    body = {"subject": "Orders", "announcement": True}
    answer = await stage.owner.browser.patch(f"/api/v1/groups/{stage.group_id}", json=body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["subject"], answer.json()["announcement"]) == ("Orders", True)
    asked = [method for method, _ in stage.whatsapp.asked]
    assert asked == ["SetSubject", "SetSettings", "Info"]
    events = (await stage.owner.get("/events", after=0)).json()["data"]
    (changed,) = [event["data"]["changed"] for event in events if event["name"] == "group.updated"]
    assert changed == ["announcement", "subject"]


async def test_each_participant_has_an_outcome(stage: Stage) -> None:
    stage.whatsapp.told["UpdateParticipants"] = {
        "outcomes": [{"jid": "1@lid", "lid": "1@lid"}, {"jid": "2@lid", "error": 403}, {"jid": "3@lid", "error": 555}]
    }
    stage.whatsapp.told["Info"] = told()
    people = ["+628110000102", "2@lid", "628110000103@s.whatsapp.net"]
    answer = await stage.owner.post(f"/groups/{stage.group_id}/participants", {"action": "add", "participants": people})
    assert [entry["code"] for entry in answer.json()["data"]] == ["ok", "invitation_needed", "refused"]
    method, body = stage.whatsapp.asked[0]
    assert (method, body["action"]) == ("UpdateParticipants", "add")
    assert body["participants"] == ["628110000102@s.whatsapp.net", "2@lid", "628110000103@s.whatsapp.net"]


async def test_people_whom_nobody_may_add_are_sent_an_invitation(stage: Stage) -> None:
    shy = {"jid": "9628110000102@lid", "lid": "9628110000102@lid", "phone": "628110000102@s.whatsapp.net", "error": 403}
    refused = {"outcomes": [{"jid": "1@lid"}, {**shy, "invite_code": "CODE", "invite_expires_ms": 1_900_000_000_000}]}
    stage.whatsapp.told |= {"UpdateParticipants": refused, "Info": told()}
    path, people = f"/groups/{stage.group_id}/participants", ["1@lid", "+628110000102"]
    asked = (await stage.owner.post(path, {"action": "add", "participants": people})).json()["data"]
    assert [(entry["code"], entry["may_invite"]) for entry in asked] == [("ok", False), ("invitation_needed", True)]
    assert (await stage.owner.get("/chats")).json()["data"] == []
    body = {"action": "add", "participants": people, "send_invitation": True}
    first, second = (await stage.owner.post(path, body)).json()["data"]
    assert (first["code"], second["code"], first["invitation_id"]) == ("ok", "invited", None)
    sent = (await stage.owner.get(f"/messages/{second['invitation_id']}")).json()
    assert (sent["type"], sent["state"]) == ("group_invite", "pending")
    assert sent["group_invite"] == {
        "address": ADDRESS,
        "name": "Team",
        "expires_at": "2030-03-17T17:46:40Z",
        "caption": None,
    }
    wrong = await stage.owner.post(path, {**body, "action": "remove"})
    assert wrong.status_code == 422


async def test_whoever_is_not_in_a_new_group_is_named_and_invited(stage: Stage) -> None:
    made = told(jid="120363000000000002@g.us", subject="New")
    shy = {"jid": "9628110000102@lid", "lid": "9628110000102@lid", "phone": "628110000102@s.whatsapp.net", "error": 403}
    refused = {"outcomes": [{**shy, "invite_code": "CODE", "invite_expires_ms": 1_900_000_000_000}]}
    stage.whatsapp.told |= {"Create": made, "Info": made, "UpdateParticipants": refused}
    body = {"subject": "New", "participants": ["+628110000101", "+628110000102"]}
    (named,) = (await stage.owner.post("/groups", body)).json()["not_added"]
    assert (named["code"], named["may_invite"]) == ("invitation_needed", True)
    adding = [asked["participants"] for method, asked in stage.whatsapp.asked if method == "UpdateParticipants"]
    assert adding == [["628110000102@s.whatsapp.net"]], "the one who is in is not added again"
    (invited,) = (await stage.owner.post("/groups", {**body, "send_invitation": True})).json()["not_added"]
    assert (invited["code"], invited["invitation_id"] is not None) == ("invited", True)
    stage.whatsapp.told["UpdateParticipants"] = conflict("not_a_group_admin", "No.")
    answer = await stage.owner.post("/groups", body)
    assert answer.status_code == 201, "the group is made"
    assert [entry["code"] for entry in answer.json()["not_added"]] == ["refused"]


@pytest.mark.kind("group_invite", "api")
async def test_an_invitation_is_accepted_through_the_number_that_got_it(stage: Stage) -> None:
    scope = Workspaces.of([stage.owner.workspace_id])
    number = Inbound(stage.owner, stage.account_id)

    async def invited(until_s: int) -> str:
        message = Message()
        part = message.groupInviteMessage
        part.groupJID, part.inviteCode, part.groupName, part.caption = ADDRESS, "CODE", "Team", "Join us"
        part.inviteExpiration = until_s
        inbound = number.inbound("", raw=message.SerializeToString())
        await stage.running.database.write(scope, store_messages, prepare([inbound]), lambda value, _: value)
        chats = (await stage.owner.get("/chats")).json()["data"]
        chat = next(one for one in chats if one["kind"] == "direct")
        assert chat["last_message"]["preview"] == "Team"
        return str((await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"][0]["id"])

    stage.whatsapp.told["Info"] = told()
    joined = await stage.owner.post("/groups/accept", {"message_id": await invited(4_000_000_000)})
    assert joined.status_code == 200, joined.text
    assert joined.json()["group"]["id"] == str(stage.group_id)
    method, body = stage.whatsapp.asked[0]
    assert (method, body["code"], body["inviter"]) == ("JoinByInvitation", "CODE", "628110000101@s.whatsapp.net")
    late = await stage.owner.post("/groups/accept", {"message_id": await invited(1_000_000_000)})
    assert (late.status_code, late.json()["code"]) == (409, "invitation_over")
    ours = await stage.owner.post("/messages", {"to": "+628110000101", "type": "text", "text": {"body": "no"}})
    none = await stage.owner.post("/groups/accept", {"message_id": ours.json()["id"]})
    assert (none.status_code, none.json()["code"]) == (404, "not_found")
    stage.whatsapp.told["JoinByInvitation"] = conflict("invitation_over", "It was taken back.")
    again = await stage.owner.post("/groups/accept", {"message_id": await invited(4_000_000_001)})
    assert (again.status_code, again.json()["code"]) == (409, "invitation_over")


async def test_a_group_is_made_and_shows_in_the_inbox(stage: Stage) -> None:
    made = told(jid="120363000000000002@g.us", subject="New")
    stage.whatsapp.told |= {"Create": made, "Info": made}
    answer = await stage.owner.post("/groups", {"subject": "New", "participants": ["+628110000101"]})
    assert answer.status_code == 201, answer.text
    chats = (await stage.owner.get("/chats")).json()["data"]
    assert [(chat["name"], chat["kind"]) for chat in chats] == [("New", "group")]
    (notice,) = (await stage.owner.get(f"/chats/{answer.json()['id']}/messages")).json()["data"]
    assert notice["system"]["event"] == "group_entered"


@pytest.mark.kind("group", "api")
async def test_whoever_is_out_cannot_write_and_is_told_why(stage: Stage) -> None:
    async def send(to: str) -> Any:
        return await stage.owner.post("/messages", {"to": to, "type": "text", "text": {"body": "hello"}})

    sent = await send(str(stage.group_id))
    assert sent.status_code == 202, sent.text
    assert sent.json()["receipts"] == {"recipients": 1, "delivered": 0, "read": 0, "played": 0}
    assert (await send(ADDRESS)).status_code == 202
    assert (await send("120363999999999999@g.us")).json()["code"] == "not_a_group_member"
    removed = GroupChange(ADDRESS, Person("1@lid"), utc_now(), left=(Person("9628110000001@lid"),))
    scope = Workspace(stage.owner.workspace_id)
    database = stage.running.database
    assert await database.write(scope, storing.store_change, scope.id, stage.account_id, removed)
    refused = await send(str(stage.group_id))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_group_member")
    assert (await stage.owner.get(f"/chats/{stage.group_id}")).json()["closed"] == "removed"
    leave = await stage.owner.post(f"/groups/{stage.group_id}/leave")
    assert leave.json()["code"] == "not_a_group_member"


async def test_a_change_that_is_told_twice_is_told_once_here(stage: Stage) -> None:
    at = utc_now()
    change = GroupChange(ADDRESS, Person("1@lid"), at, subject="Renamed", joined=(Person("2@lid"), Person("1@lid")))
    scope = Workspace(stage.owner.workspace_id)
    for _ in range(2):
        await stage.running.database.write(scope, storing.store_change, scope.id, stage.account_id, change)
    events = (await stage.owner.get("/events", after=0)).json()["data"]
    names = [event["name"] for event in events]
    assert (names.count("group.updated"), names.count("group.participants")) == (1, 1)
    notices = (await stage.owner.get(f"/chats/{stage.group_id}/messages")).json()["data"]
    assert sorted(notice["system"]["event"] for notice in notices) == ["group_joined", "group_subject"]
    assert (await stage.owner.get(f"/groups/{stage.group_id}")).json()["member_count"] == 4


async def test_refusals_of_whatsapp_are_problems_with_their_code(stage: Stage) -> None:
    stage.whatsapp.told["JoinByLink"] = conflict("invite_link_reset", "This invite link was reset.")
    answer = await stage.owner.post("/groups/join", {"link": "https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"})
    assert (answer.status_code, answer.json()["code"]) == (409, "invite_link_reset")
    assert (await stage.owner.get("/groups")).json()["data"][0]["subject"] == "Team", "nothing has changed"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("", {"subject": "", "participants": []}, "invalid_request"),
        ("", {"subject": "x" * 101}, "invalid_request"),
        ("", {"subject": "x", "participants": ["12"]}, "invalid_phone"),
        ("", {"subject": "x", "participants": ["120363@g.us"]}, "invalid_address"),
        ("/join", {"link": "x"}, "invalid_request"),
        ("/{id}/participants", {"action": "kick", "participants": ["+628110000101"]}, "invalid_request"),
        ("/{id}/participants", {"action": "add", "participants": []}, "invalid_request"),
    ],
)
async def test_bad_input_asks_whatsapp_nothing(stage: Stage, path: str, body: dict[str, Any], code: str) -> None:
    answer = await stage.owner.post(f"/groups{path.format(id=stage.group_id)}", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
    assert stage.whatsapp.asked == []
