"""Sending through the API: stored once, in order, with a state that never goes backwards."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from blazz.kit.db import Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import outbox
from blazz.messaging.outbox import OutboxItem, SendResult
from tests.messaging.stage import Stage
from tests.support.app import problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


async def claim(stage: Stage, now: dt.datetime | None = None, **options: Any) -> list[OutboxItem]:
    scope = Workspaces.of([stage.owner.workspace_id])
    database = stage.owner.running.database
    return await database.write(scope, outbox.claim, [stage.account_id], 256, now or utc_now(), **options)


async def record(stage: Stage, *results: SendResult) -> None:
    scope = Workspaces.of([stage.owner.workspace_id])
    await stage.owner.running.database.write(scope, outbox.record_results, results)


async def state_of(stage: Stage, message_id: str) -> str:
    return str((await stage.owner.get(f"/messages/{message_id}")).json()["state"])


async def test_a_text_is_accepted_with_its_id_and_waits_to_be_sent(stage: Stage) -> None:
    answer = await stage.send()
    assert answer.status_code == 202
    message = answer.json()
    assert message["text"] == {"body": "Hello", "preview": None}
    assert (message["state"], message["direction"], message["source"]) == ("pending", "outbound", "inbox")
    assert message["position"] > 0
    items = await claim(stage)
    assert [str(item.message_id) for item in items] == [message["id"]]
    assert items[0].payload
    assert items[0].wa_message_id == message["wa_message_id"]


async def test_messages_of_a_chat_leave_in_order_and_wait_for_one_whose_outcome_is_unknown(stage: Stage) -> None:
    ids = [(await stage.send(text={"body": f"{index}"})).json()["id"] for index in range(3)]
    items = await claim(stage)
    assert [str(item.message_id) for item in items] == ids
    later = utc_now() + dt.timedelta(seconds=30)
    await record(stage, SendResult.unknown(items[0], later), *(SendResult.requeue(i, utc_now()) for i in items[1:]))
    assert await claim(stage) == []
    again = await claim(stage, later + dt.timedelta(seconds=1))
    assert [str(item.message_id) for item in again] == ids
    assert again[0].wa_message_id == items[0].wa_message_id
    assert again[0].payload == items[0].payload
    assert [item.attempts for item in again] == [2, 1, 1]


async def test_a_chat_that_is_being_sent_is_not_claimed_twice(stage: Stage) -> None:
    await stage.send()
    await stage.send(to="+628110000102")
    items = await claim(stage)
    assert len(items) == 2
    assert await claim(stage, busy_chats=[item.chat_id for item in items]) == []


async def test_the_servers_acknowledgement_makes_a_message_sent(stage: Stage) -> None:
    message = (await stage.send()).json()
    await record(stage, SendResult.sent((await claim(stage))[0], utc_now()))
    assert await state_of(stage, message["id"]) == "sent"
    assert await claim(stage) == []


async def test_a_receipt_before_the_recorded_acknowledgement_is_not_taken_back(stage: Stage) -> None:
    message = (await stage.send()).json()
    items = await claim(stage)
    await stage.receipt(message["wa_message_id"], "read")
    await record(stage, SendResult.sent(items[0], utc_now()))
    await stage.receipt(message["wa_message_id"], "delivered")
    assert await state_of(stage, message["id"]) == "read"


async def test_a_refused_message_fails_with_its_reason_and_can_be_tried_again_under_its_id(stage: Stage) -> None:
    message = (await stage.send()).json()
    item = (await claim(stage))[0]
    await record(stage, SendResult.failed(item, "refused_463", "WhatsApp has restricted this number."))
    failed = (await stage.owner.get(f"/messages/{message['id']}")).json()
    assert failed["state"] == "failed"
    assert failed["error"] == {"code": "refused_463", "message": "WhatsApp has restricted this number."}
    assert (await stage.owner.post(f"/messages/{message['id']}/retry")).status_code == 202
    assert [again.wa_message_id for again in await claim(stage)] == [item.wa_message_id]
    assert await state_of(stage, message["id"]) == "pending"
    assert (await stage.owner.post(f"/messages/{message['id']}/retry")).json()["code"] == "not_failed"


async def test_a_message_that_could_not_leave_in_time_expires_unless_its_outcome_is_unknown(stage: Stage) -> None:
    lost, unknown = (await stage.send()).json(), (await stage.send(to="+628110000102")).json()
    items = {str(item.message_id): item for item in await claim(stage)}
    now = utc_now()
    await record(stage, SendResult.requeue(items[lost["id"]], now), SendResult.unknown(items[unknown["id"]], now))
    later = await claim(stage, now + dt.timedelta(hours=25))
    assert [str(item.message_id) for item in later] == [unknown["id"]]
    assert (await stage.owner.get(f"/messages/{lost['id']}")).json()["error"]["code"] == "expired"


async def test_two_requests_with_one_idempotency_key_give_one_message_and_one_answer(stage: Stage) -> None:
    body = {"to": "+628110000101", "type": "text", "text": {"body": "once"}}
    headers = {"Idempotency-Key": "order-1"}
    answers = await asyncio.gather(*(stage.owner.post("/messages", body, headers=headers) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len(await stage.rows()) == 1
    other = await stage.owner.post("/messages", {**body, "text": {"body": "twice"}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_batch_answers_for_each_message_by_itself(stage: Stage) -> None:
    good = {"to": "+628110000101", "type": "text", "text": {"body": "good"}}
    answer = await stage.owner.post("/messages/batch", {"messages": [good, {**good, "to": "12"}, good]})
    assert answer.status_code == 202
    first, second, third = answer.json()["data"]
    assert first["message"]["text"] == {"body": "good", "preview": None}
    assert second["error"]["code"] == "invalid_phone"
    assert third["message"]["position"] > first["message"]["position"]
    assert len(await stage.rows()) == 2


async def test_a_reply_names_the_message_that_it_answers(stage: Stage) -> None:
    await stage.deliver(stage.inbound("question"))
    question = (await stage.rows())[0]
    answer = (await stage.send(to=str(question["chat_id"]), context={"message_id": str(question["id"])})).json()
    assert answer["context"]["message_id"] == str(question["id"])
    other = await stage.send(to="+628110000102", context={"message_id": str(question["id"])})
    assert other.json()["code"] == "quote_not_in_chat"


async def test_an_answer_leaves_from_the_number_and_to_the_address_that_the_customer_used(stage: Stage) -> None:
    await stage.deliver(stage.inbound("hello", phone="+628110000101", lid="100000000000101"))
    await stage.send(to="+628110000101")
    assert [item.recipient for item in await claim(stage)] == ["100000000000101@lid"]


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"to": "not a number"}, 422, "invalid_phone"),
        ({"to": "1203630@g.us"}, 409, "not_a_group_member"),
        ({"to": "somebody@example.org"}, 422, "invalid_address"),
        ({"to": str(uuid.uuid4())}, 404, "not_found"),
        ({"account_id": str(uuid.uuid4())}, 404, "not_found"),
        ({"text": {"body": "   "}}, 422, "invalid_request"),
        ({"text": {"body": "x" * 4097}}, 422, "invalid_request"),
        ({"text": {"body": 7}}, 422, "invalid_request"),
        ({"type": "image"}, 422, "invalid_request"),
        ({"type": "image", "text": None, "image": {"link": "ftp://example.org/a.png"}}, 422, "url_invalid"),
        ({"type": "image", "text": None, "image": {"id": str(uuid.uuid4())}}, 404, "not_found"),
        ({"surprise": 1}, 422, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_refused_and_stores_nothing(
    stage: Stage, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await stage.send(**changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await stage.rows() == []


async def test_an_account_that_is_not_linked_cannot_send(stage: Stage) -> None:
    other = (await stage.owner.post("/accounts", {"name": "New"})).json()["id"]
    answer = await stage.send(account_id=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_not_linked")


async def test_a_chat_whose_number_was_removed_says_so(stage: Stage) -> None:
    await stage.deliver(stage.inbound("Hello"))
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (await stage.owner.delete(f"/accounts/{stage.account_id}")).status_code == 204
    problem((await stage.send(to=chat["id"])), 409, "account_not_linked")


async def test_fields_of_metas_message_object_are_taken(stage: Stage) -> None:
    meta = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "4915112345678",
        "text": {"body": "Hallo", "preview_url": False},
    }
    chat = await stage.owner.get(f"/chats/{(await stage.send(**meta)).json()['chat_id']}")
    assert chat.json()["contact"]["phone"] == "+4915112345678"
