"""Blocking, looking up, own profile and recipients through the API, with an instance that notes what it is asked."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from blazz.cluster.commands import OnWhatsApp
from blazz.cluster.people_commands import ProfileChange
from blazz.contacts import kept
from blazz.kit.db import Workspace
from blazz.kit.errors import conflict, unavailable
from tests.messaging.stage import Stage
from tests.support.app import Person, problem

pytestmark = pytest.mark.anyio
PHONE, LID = "+628110000101", "100000000000101"
OLD_FORM, NEW_FORM = "+551187654321", "+5511987654321"


@dataclass
class Asked:
    """The commands of an instance: what was asked, and what WhatsApp knows."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    registered: dict[str, str] = field(default_factory=dict)
    """LID by the number (E.164) that WhatsApp knows."""
    away: bool = False

    def _note(self, *call: Any) -> None:
        if self.away:
            raise conflict("session_not_running", "This number is not running.")
        self.calls.append(call)

    async def set_blocked(self, account_id: uuid.UUID, address: str, *, blocked: bool) -> None:
        self._note("blocked", address, blocked)

    async def refresh_contact(self, account_id: uuid.UUID, contact_id: uuid.UUID) -> None:
        self._note("refresh", contact_id)

    async def sync_blocks(self, account_id: uuid.UUID) -> None:
        self._note("sync")

    async def refresh_profile(self, account_id: uuid.UUID) -> None:
        self._note("own")

    async def set_profile(self, account_id: uuid.UUID, change: ProfileChange) -> None:
        self._note("profile", change)

    async def privacy(self, account_id: uuid.UUID, changes: dict[str, str]) -> dict[str, str]:
        self._note("privacy", changes)
        return {"last": "all", "status": "contacts", **changes}

    async def watch_chat(self, account_id: uuid.UUID, address: str, contact_id: uuid.UUID | None) -> None:
        if self.away:
            raise unavailable("owner_unreachable", "It does not answer.")
        self._note("watch", address, contact_id)

    async def on_whatsapp(self, account_id: uuid.UUID, phones: list[str]) -> list[OnWhatsApp]:
        self._note("ask", tuple(phones))
        return [
            OnWhatsApp(
                phone,
                phone in self.registered,
                f"{phone[1:]}@s.whatsapp.net" if phone in self.registered else None,
                f"{self.registered[phone]}@lid" if phone in self.registered else None,
            )
            for phone in phones
        ]


@pytest.fixture
async def asked(owner: Person) -> Asked:
    """The instance of the application under test."""
    commands = Asked()
    owner.running.app.state.commands = commands
    return commands


@pytest.fixture
async def stage(owner: Person) -> Stage:
    return await Stage.build(owner)


async def one_contact(stage: Stage) -> dict[str, Any]:
    await stage.deliver(stage.inbound("hello", phone=PHONE, lid=LID))
    (contact,) = (await stage.owner.get("/contacts")).json()["data"]
    found: dict[str, Any] = contact
    return found


async def test_blocking_happens_on_whatsapp_first_and_is_kept_with_who_did_it(stage: Stage, asked: Asked) -> None:
    contact, owner = await one_contact(stage), stage.owner
    path = f"/contacts/{contact['id']}"
    asked.away = True
    problem(await owner.post(f"{path}/block"), 409, "session_not_running")
    assert (await owner.get(path)).json()["blocked_by"] == []
    asked.away = False
    blocked = (await owner.post(f"{path}/block?account_id={stage.account_id}")).json()
    assert blocked["blocked_by"] == [str(stage.account_id)]
    assert (await owner.get(f"/accounts/{stage.account_id}/block-list")).json()["data"] == [contact["id"]]
    assert (await owner.post(f"{path}/unblock")).json()["blocked_by"] == []
    assert asked.calls == [("blocked", f"{LID}@lid", True), ("blocked", f"{LID}@lid", False)]
    entries = (await owner.get(f"{path}/history")).json()["data"]
    assert [(entry["event"], entry["user_id"]) for entry in entries] == [
        ("unblocked", str(owner.id)),
        ("blocked", str(owner.id)),
    ]
    assert (await owner.post(f"{path}/refresh")).json()["id"] == contact["id"]
    assert asked.calls[-1] == ("refresh", uuid.UUID(contact["id"]))
    problem(await owner.post(f"{path}/block?account_id={uuid.uuid4()}"), 404, "not_found")
    problem(await owner.post(f"/contacts/{uuid.uuid4()}/block"), 404, "not_found")
    problem(await owner.get(f"{path}/picture"), 404, "not_found")


@pytest.mark.every_database
async def test_people_who_are_blocked_and_no_contacts_stand_in_the_block_list(stage: Stage) -> None:
    owner, stranger, other = stage.owner, f"{LID}@lid", "628110000999@s.whatsapp.net"
    scope = Workspace(owner.workspace_id)

    async def told(work: Any, *arguments: Any) -> None:
        await owner.running.database.write(scope, work, stage.account_id, *arguments)

    async def others() -> dict[str, str | None]:
        listed = (await owner.get(f"/accounts/{stage.account_id}/block-list")).json()
        return {one["address"]: one["name"] for one in listed["others"]}

    await told(kept.note_names, {other: "Annoying\x00"})
    await told(kept.note_blocks, [stranger, other])
    assert await others() == {stranger: None, other: "Annoying\ufffd"}
    await told(kept.note_blocks, [stranger, other])
    await told(kept.change_blocks, [], [other, "1@lid"])
    assert await others() == {stranger: None}
    # they become a contact here: now it is that contact who is blocked
    contact = await one_contact(stage)
    assert contact["blocked_by"] == [str(stage.account_id)]
    listed = (await owner.get(f"/accounts/{stage.account_id}/block-list")).json()
    assert (listed["data"], listed["others"]) == ([contact["id"]], [])
    entries = (await owner.get(f"/contacts/{contact['id']}/history")).json()["data"]
    assert [entry["event"] for entry in entries] == ["blocked"]
    await told(kept.note_blocks, [])
    assert await others() == {}


async def test_looking_at_a_chat_is_told_and_never_fails(stage: Stage, asked: Asked) -> None:
    contact, owner = await one_contact(stage), stage.owner
    (chat,) = (await owner.get("/chats")).json()["data"]
    assert (await owner.post(f"/chats/{chat['id']}/watch")).status_code == 204
    assert asked.calls == [("watch", f"{LID}@lid", uuid.UUID(contact["id"]))]
    asked.away = True
    assert (await owner.post(f"/chats/{chat['id']}/watch")).status_code == 204
    problem(await owner.post(f"/chats/{uuid.uuid4()}/watch"), 404, "not_found")


def picture(kind: str, size: int = 64) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "teal").save(buffer, kind)
    return buffer.getvalue()


async def test_the_own_profile_is_changed_field_by_field(stage: Stage, asked: Asked) -> None:
    owner, path = stage.owner, f"/accounts/{stage.account_id}/profile"
    assert (await owner.get(path)).json() == {
        "name": None,
        "business_name": None,
        "about": None,
        "picture_id": None,
        "presence": "hidden",
        "checked_at": None,
    }
    uploads = {}
    for kind in ("jpeg", "png"):
        answer = await owner.browser.post(
            "/api/v1/media", files={"file": (f"me.{kind}", picture(kind), f"image/{kind}")}
        )
        uploads[kind] = answer.json()["id"]
    shown = (await owner.patch(path, {"presence": "available_while_inbox_is_open"})).json()
    assert shown["presence"] == "available_while_inbox_is_open"
    assert asked.calls == [], "nothing of that is told to WhatsApp"
    await owner.patch(path, {"name": "Kopi Senja", "picture": uploads["jpeg"]})
    await owner.patch(path, {"picture": None})
    await owner.patch(path, {"about": ""})
    assert [call[1] for call in asked.calls] == [
        ProfileChange(name="Kopi Senja", picture=uuid.UUID(uploads["jpeg"])),
        ProfileChange(remove_picture=True),
        ProfileChange(about=""),
    ]
    for wrong in ({"name": "x" * 26}, {"about": "x" * 140}, {"presence": "always"}, {"picture": "me.jpg"}):
        problem(await owner.patch(path, wrong), 422, "invalid_request")
    problem(await owner.patch(path, {"picture": uploads["png"]}), 422, "picture_refused")
    problem(await owner.patch(path, {"picture": str(uuid.uuid4())}), 404, "not_found")
    assert len(asked.calls) == 3
    asked.away = True
    problem(await owner.patch(path, {"about": "Open", "presence": "hidden"}), 409, "session_not_running")
    assert (await owner.get(path)).json()["presence"] == "available_while_inbox_is_open", "nothing was changed"


async def test_privacy_has_words_of_ours_for_settings_of_whatsapps(stage: Stage, asked: Asked) -> None:
    owner, path = stage.owner, f"/accounts/{stage.account_id}/privacy"
    shown = (await owner.get(path)).json()
    assert (shown["last_seen"], shown["about"], shown["calls"]) == ("all", "contacts", None)
    assert (await owner.patch(path, {"last_seen": "none", "online": "match_last_seen"})).json()["last_seen"] == "none"
    assert asked.calls[-1] == ("privacy", {"last": "none", "online": "match_last_seen"})
    problem(await owner.patch(path, {"online": "none"}), 422, "invalid_request")
    problem(await owner.get(f"/accounts/{uuid.uuid4()}/privacy"), 404, "not_found")


async def test_a_new_number_is_asked_about_before_anything_is_queued(stage: Stage, asked: Asked) -> None:
    asked.registered = {PHONE: LID}
    document = problem(await stage.send(to="+628110000999"), 422, "recipient_not_on_whatsapp")
    assert document["errors"][0]["field"] == "to"
    assert (await stage.owner.get("/contacts")).json()["data"] == []
    assert await stage.rows() == []
    problem(await stage.send(to="+628110000999"), 422, "recipient_not_on_whatsapp")
    assert len(asked.calls) == 1, "the answer is remembered"
    sent = await stage.send(to=PHONE)
    assert sent.status_code == 202
    (contact,) = (await stage.owner.get("/contacts")).json()["data"]
    assert (contact["phone"], contact["lid"]) == (PHONE, LID)
    await stage.send(to=PHONE)
    await stage.send(to=contact["id"])
    await stage.send(to=sent.json()["chat_id"])
    assert [call[1] for call in asked.calls] == [("+628110000999",), (PHONE,)], (
        "people who are known are not asked about"
    )


async def test_whatsapp_says_which_form_of_a_number_is_right(stage: Stage, asked: Asked) -> None:
    asked.registered = {OLD_FORM: LID}
    assert (await stage.send(to=NEW_FORM)).status_code == 202
    (contact,) = (await stage.owner.get("/contacts")).json()["data"]
    assert contact["phone"] == OLD_FORM
    assert [call[1] for call in asked.calls] == [(NEW_FORM, OLD_FORM)]


async def test_who_cannot_be_asked_refuses_nobody(stage: Stage, asked: Asked) -> None:
    asked.away = True
    assert (await stage.send(to="+628110000999")).status_code == 202
    asked.away = False
    problem(await stage.send(to="+628110000999"), 422, "recipient_not_on_whatsapp")


async def test_in_a_batch_the_others_are_queued_and_one_question_is_asked(stage: Stage, asked: Asked) -> None:
    asked.registered = {PHONE: LID}
    text = {"type": "text", "text": {"body": "Hello"}}
    wanted = ("+628110000999", PHONE, "nonsense", "+628110000998")
    answer = await stage.owner.post("/messages/batch", {"messages": [{"to": to, **text} for to in wanted]})
    assert answer.status_code == 202, answer.text
    outcomes = [item["error"]["code"] if item.get("error") else "queued" for item in answer.json()["data"]]
    assert outcomes == ["recipient_not_on_whatsapp", "queued", "invalid_phone", "recipient_not_on_whatsapp"]
    assert [call[0] for call in asked.calls] == ["ask"]


async def test_the_same_request_again_gets_the_same_answer_whatever_whatsapp_says_now(
    stage: Stage, asked: Asked
) -> None:
    asked.away = True
    body = {"to": "+628110000999", "type": "text", "text": {"body": "Hello"}}
    headers = {"Idempotency-Key": "once"}
    first = await stage.owner.post("/messages", body, headers=headers)
    asked.away = False
    again = await stage.owner.post("/messages", body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
