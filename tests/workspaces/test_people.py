"""Workspaces and their people: roles, invitations, the last owner, tenancy."""

from __future__ import annotations

import datetime as dt

import pytest

from blazz.kit.time import utc_now
from blazz.workspaces import invitations
from tests.support.app import PASSWORD, Person, Running, problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


async def test_owner_changes_name_and_time_zone(owner: Person) -> None:
    path = f"/workspaces/{owner.workspace_id}"
    changed = (await owner.patch(path, {"name": " Kopi ", "timezone": "Asia/Jakarta"})).json()
    assert (changed["name"], changed["timezone"], changed["number"]) == ("Kopi", "Asia/Jakarta", 1)
    problem(await owner.patch(path, {"timezone": "Mars/Olympus"}), 422, "invalid_timezone")
    problem(await owner.patch(path, {"name": "x" * 129}), 422)
    problem(await owner.patch(path, {"name": ""}), 422)
    problem(await owner.patch(path, {"colour": "red"}), 422)
    assert (await owner.get(path)).json() == changed


async def test_settings_change_one_by_one_and_are_told_once(owner: Person) -> None:
    path = f"/workspaces/{owner.workspace_id}"
    assert (await owner.get(path)).json()["settings"] == {"inbound_status": "ignore", "inbound_channels": "ignore"}
    changed = (await owner.patch(path, {"settings": {"inbound_channels": "store"}})).json()
    assert changed["settings"] == {"inbound_status": "ignore", "inbound_channels": "store"}
    await owner.patch(path, {"settings": {"inbound_channels": "store"}, "name": "Shop"})  # nothing new
    await owner.patch(path, {"settings": {"inbound_status": "store"}})
    assert (await owner.get(path)).json()["settings"] == {"inbound_status": "store", "inbound_channels": "store"}
    for wrong in ({"inbound_status": "maybe"}, {"colour": "red"}, {"inbound_status": True}, "store"):
        problem(await owner.patch(path, {"settings": wrong}), 422)
    told = [event["data"] for event in (await owner.get("/events", after=0)).json()["data"]]
    assert [data for data in told if "changed" in data] == [
        {"changed": ["inbound_channels"]},
        {"changed": ["inbound_status"]},
    ]


async def test_second_workspace_must_be_named(owner: Person) -> None:
    second = (await owner.post("/workspaces", {"name": "Second"})).json()
    assert (second["number"], second["role"]) == (2, "owner")
    problem(await owner.get("/members"), 400, "workspace_required")
    chosen = await owner.browser.get("/api/v1/members", headers={"X-Workspace": second["id"]})
    assert len(chosen.json()["data"]) == 1
    assert [item["name"] for item in (await owner.get("/workspaces")).json()["data"]] == ["Shop", "Second"]
    bad = await owner.browser.get("/api/v1/members", headers={"X-Workspace": "nonsense"})
    problem(bad, 422, "invalid_workspace")


async def test_invited_person_joins_with_name_and_password(running: Running, owner: Person) -> None:
    made = (await owner.post("/invitations", {"email": "Agent@Example.org", "role": "agent"})).json()
    token = made["link"].partition("/invite#token=")[2]
    assert token
    listed = (await owner.get("/invitations")).json()["data"]
    assert [(item["email"], item["link"]) for item in listed] == [("agent@example.org", None)]
    browser = await running.browser()
    said = (await browser.get("/api/v1/invitations/lookup", params={"token": token})).json()
    assert said == {"email": "agent@example.org", "workspace_name": "Shop", "role": "agent", "user_exists": False}
    problem(await browser.post("/api/v1/invitations/accept", json={"token": token}), 422)
    body = {"token": token, "name": "Agent", "password": PASSWORD}
    joined = await browser.post("/api/v1/invitations/accept", json=body)
    assert joined.json()["workspace"]["role"] == "agent"
    problem(await (await running.browser()).post("/api/v1/invitations/accept", json=body), 403, "invitation_closed")
    names = [item["user"]["name"] for item in (await owner.get("/members")).json()["data"]]
    assert names == ["Owner", "Agent"]
    assert (await owner.get("/invitations")).json()["data"] == []


async def test_known_person_must_prove_who_they_are(running: Running, owner: Person) -> None:
    known = await running.stranger("known@example.org")
    made = (await owner.post("/invitations", {"email": "known@example.org", "role": "manager"})).json()
    token = made["link"].partition("#token=")[2]
    browser = await running.browser()
    thief = {"token": token, "name": "Thief", "password": "a password of mine"}
    problem(await browser.post("/api/v1/invitations/accept", json=thief), 401, "invalid_credentials")
    joined = await known.browser.post("/api/v1/invitations/accept", json={"token": token})
    assert joined.status_code == 200, joined.text
    roles = {item["workspace"]["name"]: item["role"] for item in (await known.get("/me")).json()["memberships"]}
    assert roles == {"Shop": "manager", "Elsewhere": "owner"}


async def test_invitation_ends_after_a_day_or_when_taken_back(
    running: Running, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def invite() -> tuple[str, str]:
        made = (await owner.post("/invitations", {"email": "a@example.org", "role": "agent"})).json()
        return made["id"], made["link"].partition("#token=")[2]

    browser = await running.browser()
    _, first = await invite()
    second_id, second = await invite()
    problem(await browser.get("/api/v1/invitations/lookup", params={"token": first}), 403, "invitation_closed")
    assert (await owner.delete(f"/invitations/{second_id}")).status_code == 204
    problem(await browser.get("/api/v1/invitations/lookup", params={"token": second}), 403, "invitation_closed")
    problem(await owner.delete(f"/invitations/{second_id}"), 404)
    _, third = await invite()
    monkeypatch.setattr(invitations, "utc_now", lambda: utc_now() + dt.timedelta(hours=24, seconds=1))
    problem(await browser.get("/api/v1/invitations/lookup", params={"token": third}), 403, "invitation_closed")


async def test_last_owner_stays(running: Running, owner: Person) -> None:
    me = f"/members/{owner.id}"
    for change in ({"role": "agent"}, {"state": "suspended"}):
        problem(await owner.patch(me, change), 409, "last_owner")
    problem(await owner.delete(me), 409, "last_owner")
    other = await running.member(owner, "manager", "manager@example.org")
    assert (await owner.patch(f"/members/{other.id}", {"role": "owner"})).json()["role"] == "owner"
    assert (await owner.patch(me, {"role": "agent"})).status_code == 200
    problem(await other.delete(f"/members/{other.id}"), 409, "last_owner")


async def test_suspended_member_is_out_at_once_and_can_come_back(running: Running, owner: Person) -> None:
    agent = await running.member(owner, "agent", "agent@example.org")
    assert (await agent.get("/members")).status_code == 200
    assert (await owner.patch(f"/members/{agent.id}", {"state": "suspended"})).status_code == 200
    problem(await agent.get("/members"), 403, "no_workspace")
    assert (await owner.patch(f"/members/{agent.id}", {"state": "active"})).status_code == 200
    assert (await agent.get("/members")).status_code == 200


async def test_roles_below_owner_cannot_raise_themselves(running: Running, owner: Person) -> None:
    manager = await running.member(owner, "manager", "manager@example.org")
    agent = await running.member(manager, "agent", "agent@example.org")
    for actor in (manager, agent):
        assert (await actor.patch(f"/members/{actor.id}", {"role": "owner"})).status_code == 403
        assert (await actor.patch(f"/members/{owner.id}", {"role": "agent"})).status_code == 403
        assert (await actor.delete(f"/members/{owner.id}")).status_code == 403
        assert (await actor.post("/invitations", {"email": "x@example.org", "role": "owner"})).status_code == 403
        assert (await actor.patch(f"/workspaces/{owner.workspace_id}", {"name": "Mine"})).status_code == 403
    problem(await agent.delete(f"/members/{manager.id}"), 403, "role_not_allowed")
    problem(await agent.post("/invitations", {"email": "x@example.org", "role": "agent"}), 403, "role_not_allowed")
    assert (await agent.delete(f"/members/{agent.id}")).status_code == 204, "everybody may leave"
    problem(await agent.get("/members"), 403, "no_workspace")


async def test_another_workspace_is_out_of_reach(running: Running, owner: Person) -> None:
    stranger = await running.stranger()
    problem(await stranger.get(f"/workspaces/{owner.workspace_id}"), 404)
    problem(await stranger.patch(f"/workspaces/{owner.workspace_id}", {"name": "Mine"}), 404)
    problem(await stranger.patch(f"/members/{owner.id}", {"role": "agent"}), 404)
    problem(await stranger.delete(f"/members/{owner.id}"), 404)
    asked = await stranger.browser.get("/api/v1/members", headers={"X-Workspace": str(owner.workspace_id)})
    problem(asked, 403, "workspace_forbidden")
    key = await stranger.key("events:read")
    headers = {"Authorization": f"Bearer {key}", "X-Workspace": str(owner.workspace_id)}
    problem(await (await running.browser()).get("/api/v1/events", headers=headers), 403, "workspace_forbidden")
