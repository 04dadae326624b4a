"""Settings of chats over the API: what the list shows, what the phone is told, and what is refused."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from sqlalchemy import select, update

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import HistorySyncNotification
from blazz._generated.wa.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionValue
from blazz.accounts.tables import accounts as accounts_table
from blazz.kit.db import Platform, Tx, Workspace
from blazz.kit.time import utc_now
from blazz.messaging import imports, requests, shared_state
from blazz.messaging.history_model import ON_DEMAND
from blazz.messaging.shared_state import Change
from blazz.messaging.state_tables import phone_requests
from tests.messaging.stage import Stage
from tests.support.app import Person

pytestmark = pytest.mark.anyio


async def names(stage: Stage, **query: Any) -> list[str]:
    """Return the numbers of the chats that are listed."""
    answer = await stage.owner.get("/chats", **query)
    assert answer.status_code == 200, answer.text
    return [chat["contact"]["phone"][-3:] for chat in answer.json()["data"]]


async def chats(stage: Stage) -> dict[str, dict[str, Any]]:
    """Return all chats by the end of their numbers."""
    found = (await stage.owner.get("/chats")).json()["data"]
    found += (await stage.owner.get("/chats", archived=True)).json()["data"]
    return {chat["contact"]["phone"][-3:]: chat for chat in found}


async def three(owner: Person) -> Stage:
    """A number with three chats; the last one to write is 103."""
    stage = await Stage.build(owner)
    for number in ("101", "102", "103"):
        await stage.deliver(stage.inbound("hi", phone=f"+628110000{number}"))
    return stage


async def change(stage: Stage, number: str, **body: Any) -> Any:
    """Change a chat and return the answer."""
    chat_id = (await chats(stage))[number]["id"]
    return await stage.owner.patch(f"/chats/{chat_id}", body)


async def waiting(stage: Stage) -> list[str]:
    """Return the slots of what the phone is still to be told."""

    def work(tx: Any) -> list[str]:
        statement = select(phone_requests.c.slot).where(phone_requests.c.account_id == stage.account_id)
        return sorted(tx.execute(statement).scalars())

    return await stage.owner.running.database.read(Platform("test"), work)


async def from_phone(stage: Stage, *changes: tuple[tuple[str, ...], SyncActionValue]) -> None:
    """Store settings that the phone has changed."""
    found = [Change(index, value.SerializeToString()) for index, value in changes]
    scope = Workspace(stage.owner.workspace_id)
    await stage.owner.running.database.write(scope, shared_state.store, stage.account_id, found)


@pytest.mark.every_database
async def test_pinned_chats_come_first_and_archived_ones_not_at_all(owner: Person) -> None:
    stage = await three(owner)
    assert await names(stage) == ["103", "102", "101"]
    pinned = await change(stage, "101", pinned=True)
    assert (pinned.status_code, pinned.json()["pinned"]) == (200, True)
    assert await names(stage) == ["101", "103", "102"]
    assert (await change(stage, "103", archived=True)).status_code == 200
    assert await names(stage) == ["101", "102"]
    assert await names(stage, archived=True) == ["103"]
    assert await names(stage, search="0103") == ["103"], "a search looks everywhere"
    # page by page
    first = (await owner.get("/chats", limit=1)).json()
    second = (await owner.get("/chats", limit=1, cursor=first["next_cursor"])).json()
    seen = [page["data"][0]["contact"]["phone"][-3:] for page in (first, second)]
    assert (seen, second["next_cursor"]) == (["101", "102"], None)
    assert (await change(stage, "101", archived=True)).json()["pinned"] is False, "an archived chat is not pinned"


@pytest.mark.every_database
async def test_a_chat_can_be_muted_and_marked_unread(owner: Person) -> None:
    stage = await three(owner)
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=8)).replace(microsecond=0)
    muted = (await change(stage, "101", muted_until=until.isoformat(), unread=False)).json()
    assert dt.datetime.fromisoformat(muted["muted_until"]) == until
    assert muted["unread_count"] == 0
    assert (await change(stage, "101", muted_until="2020-01-01T00:00:00Z")).json()["muted_until"] is None
    assert (await change(stage, "101", unread=True)).json()["marked_unread"] is True
    assert "101" in await names(stage, unread=True)
    chat_id = (await chats(stage))["101"]["id"]
    assert (await owner.post(f"/chats/{chat_id}/read")).status_code == 204
    assert (await chats(stage))["101"]["marked_unread"] is False
    slots = await waiting(stage)
    assert [slot.split()[0] for slot in slots] == ["markChatAsRead", "mute"], "the newest wish for each setting"


@pytest.mark.every_database
async def test_a_label_of_the_phone_can_be_put_on_a_chat_and_filtered_by(owner: Person) -> None:
    stage = await three(owner)
    label = SyncActionValue()
    label.labelEditAction.name, label.labelEditAction.color = "Paid", 4
    await from_phone(stage, (("label_edit", "9"), label))
    (found,) = (await owner.get("/labels")).json()["data"]
    assert (found["name"], found["colour"], found["chats"]) == ("Paid", 4, 0)
    assert (await change(stage, "102", labels=[found["id"]])).json()["labels"] == [
        {"id": found["id"], "name": "Paid", "colour": 4}
    ]
    assert await names(stage, label=found["id"]) == ["102"]
    assert (await waiting(stage)) == ["label_jid 9 628110000102@s.whatsapp.net"]
    assert (await change(stage, "102", labels=[])).json()["labels"] == []
    label.labelEditAction.deleted = True
    await from_phone(stage, (("label_edit", "9"), label))
    assert (await owner.get("/labels")).json()["data"] == []


async def test_what_we_are_about_to_say_is_not_undone_by_what_the_phone_said_before(owner: Person) -> None:
    stage = await three(owner)
    await change(stage, "101", archived=True)
    value = SyncActionValue()
    value.archiveChatAction.archived = False
    await from_phone(stage, (("archive", "628110000101@s.whatsapp.net"), value))
    assert (await chats(stage))["101"]["archived"] is True
    await from_phone(stage, (("archive", "628110000102@s.whatsapp.net"), value), (("nonsense",), value), ((), value))
    assert (await chats(stage))["102"]["archived"] is False


@pytest.mark.kind("star", "api")
async def test_stars_go_on_and_off(owner: Person) -> None:
    stage = await three(owner)
    row = (await stage.rows())[0]
    starred = await owner.post(f"/messages/{row['id']}/star", {"starred": True})
    assert starred.json()["starred_at"] is not None
    assert (await owner.post(f"/messages/{row['id']}/star", {"starred": False})).json()["starred_at"] is None
    slot = f"star 628110000101@s.whatsapp.net {row['wa_message_id']} 0 0"
    assert await waiting(stage) == [slot]


@pytest.mark.kind("delete_for_me", "api")
async def test_what_is_deleted_on_the_phone_is_hidden_here(owner: Person) -> None:
    stage = await three(owner)
    await stage.deliver(stage.inbound("second", phone="+628110000101"))
    address = "628110000101@s.whatsapp.net"
    second = next(row for row in await stage.rows() if row["body"] == "second")
    await from_phone(stage, (("deleteMessageForMe", address, second["wa_message_id"], "0", "0"), SyncActionValue()))
    chat = (await chats(stage))["101"]
    assert chat["last_message"]["preview"] == "hi"
    page = (await owner.get(f"/chats/{chat['id']}/messages")).json()["data"]
    assert [message["text"]["body"] for message in page] == ["hi"]
    value = SyncActionValue()
    value.deleteChatAction.messageRange.lastMessageTimestamp = int(second["timestamp"].timestamp())
    await from_phone(stage, (("deleteChat", address, "1"), value))
    assert await names(stage) == ["103", "102"]
    await stage.deliver(stage.inbound("a new beginning", phone="+628110000101"))
    page = (await owner.get(f"/chats/{chat['id']}/messages")).json()["data"]
    assert [message["text"]["body"] for message in page] == ["a new beginning"]
    assert await names(stage) == ["101", "103", "102"]


async def test_a_message_that_is_deleted_for_us_is_deleted_on_the_phone_too(owner: Person) -> None:
    stage = await three(owner)
    row = (await stage.rows())[0]
    body = {"to": str(row["chat_id"]), "type": "delete", "delete": {"message_id": str(row["id"]), "for": "me"}}
    assert (await owner.post("/messages", body)).status_code == 202
    assert await waiting(stage) == [f"deleteMessageForMe 628110000101@s.whatsapp.net {row['wa_message_id']} 0 0"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"labels": [str(uuid.UUID(int=5))]}, "label_unknown"),
        ({"labels": "all"}, "invalid_request"),
        ({"muted_until": "tomorrow"}, "invalid_request"),
        ({"muted_until": "2030-01-01T00:00:00"}, "invalid_request"),
        ({"archived": "perhaps"}, "invalid_request"),
        ({"colour": 3}, "invalid_request"),
    ],
)
async def test_a_wrong_change_changes_nothing(owner: Person, body: dict[str, Any], code: str) -> None:
    stage = await three(owner)
    refused = await change(stage, "101", **body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await waiting(stage) == []


async def test_older_messages_are_asked_for_from_the_oldest_one(owner: Person) -> None:
    stage = await three(owner)
    chat_id = (await chats(stage))["101"]["id"]
    assert (await owner.post(f"/chats/{chat_id}/history", {"count": 500})).status_code == 422
    assert (await owner.post(f"/chats/{chat_id}/history", {"count": 20})).status_code == 202
    assert await waiting(stage) == [f"older {chat_id}"]
    assert (await owner.get(f"/accounts/{stage.account_id}/history")).json()["state"] == "none"


@pytest.mark.every_database
async def test_a_name_of_the_phones_address_book_waits_for_whoever_has_it(owner: Person) -> None:
    stage = await Stage.build(owner)
    lid, phone = "100000000000777@lid", "628110000777@s.whatsapp.net"
    await from_phone(stage, in_book(phone, "Ibu Sri", lid), in_book("628110000778@s.whatsapp.net", "Gone"))
    await from_phone(stage, in_book("628110000778@s.whatsapp.net", ""))
    assert (await owner.get("/contacts")).json()["data"] == [], "an address book makes no contacts"
    await stage.deliver(stage.inbound("hello", phone=None, lid=lid.partition("@")[0]))
    await stage.deliver(stage.inbound("hello", phone="+628110000778"))
    await stage.deliver(stage.inbound("who is that", phone="+628110000779"))
    made = await owner.post("/contacts", {"phone": "+628110000777"})
    assert made.status_code == 201, made.text
    found = (await owner.get("/contacts")).json()["data"]
    named = {contact["identifiers"][0]["value"]: contact["book_name"] for contact in found}
    assert named == {
        lid.partition("@")[0]: "Ibu Sri",
        "+628110000777": "Ibu Sri",
        "+628110000778": None,
        "+628110000779": None,
    }


def in_book(address: str, name: str, lid: str = "") -> tuple[tuple[str, ...], SyncActionValue]:
    """An entry of the phone's address book."""
    value = SyncActionValue()
    value.contactAction.fullName, value.contactAction.lidJID = name, lid
    return ("contact", address), value


async def test_a_phone_that_does_not_answer_is_asked_again_and_then_people_are_told(owner: Person) -> None:
    stage = await three(owner)
    chat_id = (await chats(stage))["101"]["id"]
    assert await older(owner, chat_id) == ("none", 0)
    assert (await owner.post(f"/chats/{chat_id}/history", {"count": 20})).status_code == 202
    assert await older(owner, chat_id) == ("waiting", 0)
    first = await due_request(stage)
    await write(stage, requests.asked, first, "QUESTION1")
    assert await older(owner, chat_id) == ("asked", 1)
    assert await due_requests(stage) == [], "the phone has its time"
    await set_status(stage, "disconnected")
    assert await older(owner, chat_id) == ("waiting", 1)
    await set_status(stage, "connected")
    for count in range(2, len(requests.ANSWER_WITHIN_S) + 1):
        await write(stage, requests.asked, await due_request(stage, later=True), f"QUESTION{count}")
    last = await due_request(stage, later=True)
    assert last.is_exhausted
    await write(stage, requests.unanswered, last)
    assert await older(owner, chat_id) == ("unanswered", 3)
    assert await due_requests(stage, later=True) == [], "it is not asked for ever"
    events = (await owner.get("/events", limit=500)).json()["data"]
    (told,) = [event["data"] for event in events if event["name"] == "history.progress"]
    assert told == {"on_demand": True, "unanswered": True, "chat_ids": [chat_id]}
    # it is on again and answers an old question; another one's answer is none
    await announce(stage, "SOMEBODY")
    assert await older(owner, chat_id) == ("unanswered", 3)
    await announce(stage, "QUESTION2")
    assert await older(owner, chat_id) == ("none", 0)
    # asking anew takes the place of what was not answered
    assert (await owner.post(f"/chats/{chat_id}/history", {})).status_code == 202
    assert await older(owner, chat_id) == ("waiting", 0)


async def test_a_question_that_whatsapp_never_takes_ends_as_not_answered(owner: Person) -> None:
    stage = await three(owner)
    chat_id = (await chats(stage))["101"]["id"]
    assert (await owner.post(f"/chats/{chat_id}/history", {})).status_code == 202
    for _ in range(requests.GIVE_UP_AFTER):
        await write(stage, requests.again, await due_request(stage, later=True))
    assert await older(owner, chat_id) == ("unanswered", 0)


async def older(owner: Person, chat_id: str) -> tuple[str, int]:
    """Return what the API says of a chat's older messages."""
    answer = await owner.get(f"/chats/{chat_id}/history")
    assert answer.status_code == 200, answer.text
    return answer.json()["state"], answer.json()["asked"]


async def set_status(stage: Stage, status: str) -> None:
    def work(tx: Tx) -> None:
        tx.execute(update(accounts_table).where(accounts_table.c.id == stage.account_id).values(status=status))

    await stage.owner.running.database.write(Platform("test"), work)


async def due_requests(stage: Stage, *, later: bool = False) -> list[requests.PhoneRequest]:
    """Return what is due now, or would be in a day."""
    now = utc_now() + dt.timedelta(days=1 if later else 0)
    database = stage.owner.running.database
    return await database.read(Platform("test"), requests.due, [stage.account_id], now, 10)


async def due_request(stage: Stage, *, later: bool = False) -> requests.PhoneRequest:
    (found,) = await due_requests(stage, later=later)
    return found


async def write(stage: Stage, work: Any, *arguments: Any) -> None:
    await stage.owner.running.database.write(Workspace(stage.owner.workspace_id), work, *arguments)


async def announce(stage: Stage, question: str) -> None:
    """The phone has a blob for us that answers a question."""
    notification = HistorySyncNotification(peerDataRequestSessionID=question).SerializeToString()

    def work(tx: Tx) -> None:
        options: dict[str, Any] = {"sync_type": ON_DEMAND, "progress": 100, "seal": lambda value, context: value}
        imports.announce(tx, stage.account_id, uuid.uuid4().hex, notification, **options)

    await write(stage, work)
