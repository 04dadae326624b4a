"""Who somebody is, over time: numbers that change or have two forms, usernames, business ids, and the trail of it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from blazz.contacts import profiles
from blazz.contacts.peers import Peer
from blazz.kit.db import Workspace, Workspaces
from blazz.messaging import identities
from tests.messaging.stage import Stage
from tests.support.app import Person, Running, problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
PHONE, OTHER, LID, OTHER_LID = "+628110000101", "+628110000102", "100000000000101", "100000000000102"
OLD_FORM, NEW_FORM = "+551187654321", "+5511987654321"


async def learn(person: Person, *told: tuple[str | None, str | None], reason: Any = "message") -> None:
    """Let WhatsApp tell of people: number and LID, in one unit."""
    peers = [Peer(person.workspace_id, phone, lid, reason=reason) for phone, lid in told]
    await person.running.database.write(Workspaces.of([person.workspace_id]), identities.learn, peers)


async def people(person: Person) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await person.get("/contacts")).json()["data"]
    return sorted(data, key=lambda contact: contact["created_at"])


async def addresses(person: Person) -> set[tuple[str | None, str | None]]:
    return {(contact["phone"], contact["lid"]) for contact in await people(person)}


async def history(person: Person, contact_id: str) -> list[dict[str, Any]]:
    answer = await person.get(f"/contacts/{contact_id}/history")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data[::-1]


async def test_a_merge_leaves_a_trail_and_loses_no_name(owner: Person) -> None:
    await learn(owner, (PHONE, None), (None, LID))
    by_phone, by_lid = await people(owner)
    await owner.patch(f"/contacts/{by_lid['id']}", {"name": "Ayu", "username": "ayu.l"})
    await learn(owner, (PHONE, LID))
    (one,) = await people(owner)
    assert one["id"] == by_phone["id"]
    assert (one["name"], one["username"], one["phone"], one["lid"]) == ("Ayu", "ayu.l", PHONE, LID)
    entries = await history(owner, one["id"])
    assert [(entry["event"], entry["reason"]) for entry in entries] == [
        ("identifier_set", "team"),
        ("merged", "message"),
    ]
    assert entries[0]["user_id"] == str(owner.id)
    assert entries[1]["data"] == {
        "merged_contact_id": by_lid["id"],
        "name": "Ayu",
        "push_name": None,
        "identifiers": {"lid": LID, "username": "ayu.l"},
    }
    events = (await owner.get("/events", after=0, limit=200)).json()["data"]
    merged = next(event for event in events if event["name"] == "contact.merged")
    assert merged["data"]["identifiers"] == {"phone": PHONE, "lid": LID, "username": "ayu.l"}
    problem(await owner.get(f"/contacts/{by_lid['id']}/history"), 404, "not_found")


async def test_a_mapping_that_comes_late_is_learned_and_told(owner: Person) -> None:
    await learn(owner, (PHONE, None))
    (one,) = await people(owner)
    await learn(owner, (PHONE, LID), reason="lookup")
    assert await addresses(owner) == {(PHONE, LID)}
    (entry,) = await history(owner, one["id"])
    assert (entry["event"], entry["reason"], entry["data"]) == (
        "mapping_learned",
        "lookup",
        {"phone": PHONE, "lid": LID},
    )
    last = (await owner.get("/events", after=0, limit=200)).json()["data"][-1]
    assert (last["name"], last["data"]) == (
        "contact.updated",
        {"contact_id": one["id"], "changed": ["lid"], "identifiers": {"phone": PHONE, "lid": LID}},
    )


async def test_who_changes_the_number_stays_the_same_person_and_the_old_number_is_nobodys(owner: Person) -> None:
    await learn(owner, (PHONE, LID))
    (one,) = await people(owner)
    await learn(owner, (OTHER, LID))
    assert await addresses(owner) == {(OTHER, LID)}
    assert [entry["data"] for entry in await history(owner, one["id"])] == [{"before": PHONE, "after": OTHER}]
    await learn(owner, (PHONE, OTHER_LID))
    assert await addresses(owner) == {(OTHER, LID), (PHONE, OTHER_LID)}


async def test_the_new_number_was_known_as_somebody_already(owner: Person) -> None:
    await learn(owner, (PHONE, LID), (OTHER, None))
    await learn(owner, (OTHER, LID))
    assert await addresses(owner) == {(OTHER, LID)}
    events = [entry["event"] for entry in await history(owner, (await people(owner))[0]["id"])]
    assert sorted(events) == ["merged", "number_changed"]


async def test_a_number_that_changes_hands_is_noted_with_both(owner: Person) -> None:
    await learn(owner, (PHONE, LID), (OTHER, OTHER_LID))
    first, second = await people(owner)
    await learn(owner, (PHONE, OTHER_LID))
    assert await addresses(owner) == {(None, LID), (PHONE, OTHER_LID)}
    (lost,) = await history(owner, first["id"])
    assert (lost["event"], lost["data"]) == ("number_lost", {"phone": PHONE, "to_contact_id": second["id"]})
    assert [entry["event"] for entry in await history(owner, second["id"])] == ["number_changed", "number_taken"]
    await learn(owner, (PHONE, OTHER_LID), (OTHER, None))
    assert await addresses(owner) == {(None, LID), (PHONE, OTHER_LID), (OTHER, None)}


async def test_many_changes_in_one_batch_end_as_the_last_one_says(owner: Person) -> None:
    await learn(owner, (PHONE, LID), (OTHER, LID), (PHONE, OTHER_LID), (OTHER, OTHER_LID), (PHONE, None))
    assert await addresses(owner) == {(None, LID), (OTHER, OTHER_LID), (PHONE, None)}


async def test_both_forms_of_a_number_find_one_contact_and_whatsapp_says_which_is_right(owner: Person) -> None:
    made = (await owner.post("/contacts", {"phone": NEW_FORM, "name": "Bia"})).json()
    problem(await owner.post("/contacts", {"phone": OLD_FORM}), 409, "contact_exists")
    await learn(owner, (OLD_FORM, LID))
    (one,) = await people(owner)
    assert (one["id"], one["phone"], one["lid"]) == (made["id"], OLD_FORM, LID)
    events = {entry["event"]: entry["data"] for entry in await history(owner, one["id"])}
    assert events["number_form"] == {"before": NEW_FORM, "after": OLD_FORM}
    problem(await owner.post("/contacts", {"phone": NEW_FORM}), 409, "contact_exists")
    await learn(owner, (NEW_FORM, None), reason="team")
    assert await addresses(owner) == {(OLD_FORM, LID)}, "what is typed never replaces what WhatsApp says"


async def test_two_contacts_with_both_forms_become_one(owner: Person) -> None:
    await learn(owner, (None, LID), (NEW_FORM, None))
    stage = await Stage.build(owner)
    assert (await stage.send(to=NEW_FORM)).status_code == 202
    # one that was stored before the two forms were known to be one
    await learn(owner, (OTHER, None))
    await learn(owner, (OLD_FORM, LID))
    assert await addresses(owner) == {(OLD_FORM, LID), (OTHER, None)}
    (chat,) = (await owner.get("/chats")).json()["data"]
    assert chat["contact"]["phone"] == OLD_FORM


async def test_usernames_and_business_ids_are_set_found_and_belong_to_one(running: Running, owner: Person) -> None:
    await learn(owner, (PHONE, None), (OTHER, None))
    one, two = await people(owner)
    path = f"/contacts/{one['id']}"
    changed = (await owner.patch(path, {"username": " @Ayu.L ", "business_id": "ID.1349120865"})).json()
    assert (changed["username"], changed["business_id"]) == ("ayu.l", "ID.1349120865")
    problem(await owner.patch(f"/contacts/{two['id']}", {"username": "ayu.l"}), 409, "contact_exists")
    for wrong in ({"username": "a"}, {"username": "a b"}, {"business_id": "1349"}, {"business_id": 7}):
        problem(await owner.patch(path, wrong), 422, "invalid_request")
    assert [contact["id"] for contact in (await owner.get("/contacts", search="ayu.l")).json()["data"]] == [one["id"]]
    stage = await Stage.build(owner)
    for to in ("@ayu.l", "@AYU.L", "ID.1349120865"):
        sent = await stage.send(to=to)
        assert sent.status_code == 202, sent.text
    (chat,) = (await owner.get("/chats")).json()["data"]
    assert chat["contact"]["id"] == one["id"]
    assert (chat["contact"]["username"], chat["contact"]["business_id"]) == ("ayu.l", "ID.1349120865")
    for to in ("@nobody", "ID.999"):
        problem(await stage.send(to=to), 422, "unknown_recipient")
    assert (await owner.patch(path, {"username": None})).json()["username"] is None
    problem(await stage.send(to="@ayu.l"), 422, "unknown_recipient")
    stranger = await running.stranger()
    problem(await stranger.patch(path, {"username": "mine"}), 404, "not_found")
    problem(await stranger.get(f"{path}/history"), 404, "not_found")


async def test_the_trail_is_paged(owner: Person) -> None:
    await learn(owner, (PHONE, LID))
    (one,) = await people(owner)
    for number in range(5):
        await learn(owner, (f"+62811000020{number}", LID))
    path = f"/contacts/{one['id']}/history"
    first = (await owner.get(path, limit=3)).json()
    rest = (await owner.get(path, limit=3, cursor=first["next_cursor"])).json()
    told = [entry["data"]["after"][-1] for entry in first["data"] + rest["data"]]
    assert told == ["4", "3", "2", "1", "0"]
    assert rest["next_cursor"] is None
    problem(await owner.get(path, cursor="nonsense"), 422, "invalid_cursor")


async def test_what_a_look_up_tells_is_kept_as_far_as_it_can_be_stored(owner: Person) -> None:
    await learn(owner, (PHONE, LID), (OTHER, None))
    one, two = await people(owner)

    async def told(contact: dict[str, Any], facts: profiles.Facts) -> dict[str, Any]:
        await owner.running.database.write(
            Workspace(owner.workspace_id), profiles.note_facts, uuid.UUID(contact["id"]), facts
        )
        shown: dict[str, Any] = (await owner.get(f"/contacts/{contact['id']}")).json()
        return shown

    business = {"address": "Jl.\x00Braga", "categories": ["Cafe"]}
    shown = await told(one, profiles.Facts("At\x00work" + "x" * 400, "Kopi\x00Senja", "Ayu.L", business))
    assert shown["about"].startswith("At\ufffdwork")
    assert len(shown["about"]) == 255
    assert (shown["verified_name"], shown["display_name"]) == ("Kopi\ufffdSenja", "Kopi\ufffdSenja")
    assert shown["business"] == {"address": "Jl.\ufffdBraga", "categories": ["Cafe"]}
    assert (shown["username"], shown["profile_checked_at"] is None) == ("ayu.l", False)
    told_again = await told(one, profiles.Facts())
    assert told_again["about"] == shown["about"], "what is not told stays"
    assert (await told(two, profiles.Facts(username="ayu.l")))["username"] == "ayu.l"
    hidden = await told(one, profiles.Facts(about="", verified_name="", business={}))
    assert (hidden["about"], hidden["verified_name"], hidden["business"], hidden["username"]) == (
        None,
        None,
        None,
        None,
    )
    assert hidden["display_name"] == PHONE
    await told({"id": one["id"]}, profiles.Facts(about="back"))
    await owner.delete(f"/contacts/{one['id']}")
    await owner.running.database.write(
        Workspace(owner.workspace_id), profiles.note_facts, uuid.UUID(one["id"]), profiles.Facts(about="gone")
    )
