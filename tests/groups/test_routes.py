"""Groups through the API: shown with names and roles, changed on WhatsApp, and refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from blazz.groups import storing
from blazz.groups.facts import GroupChange, Person
from blazz.kit.db import Workspace
from blazz.kit.errors import conflict
from blazz.kit.time import utc_now
from tests.groups.conftest import Stage

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
