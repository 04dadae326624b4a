"""What WhatsApp delivers is stored once, whatever the order and form of its deliveries."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from tests.messaging.stage import Stage
from tests.support.app import run_app

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
PHONE, LID = "+628110000101", "100000000000101"


async def test_a_customers_message_appears_in_the_chat_list_with_name_and_unread_count(stage: Stage) -> None:
    await stage.deliver(stage.inbound("Hello"), stage.inbound("Anybody there?"))
    chats = (await stage.owner.get("/chats")).json()["data"]
    assert len(chats) == 1
    assert chats[0]["unread_count"] == 2
    assert chats[0]["contact"]["display_name"] == "Ayu"
    assert chats[0]["contact"]["phone"] == PHONE
    assert chats[0]["last_message"]["preview"] == "Anybody there?"
    page = (await stage.owner.get(f"/chats/{chats[0]['id']}/messages")).json()["data"]
    assert [message["text"]["body"] for message in page] == ["Anybody there?", "Hello"]
    assert {message["direction"] for message in page} == {"inbound"}


async def test_the_same_delivery_again_changes_nothing(stage: Stage) -> None:
    message = stage.inbound("once")
    assert (await stage.deliver(message)).stored == 1
    again = await stage.deliver(message, message)
    assert (again.stored, again.doubles) == (0, 2)
    assert len(await stage.rows()) == 1
    assert (await stage.owner.get("/chats")).json()["data"][0]["unread_count"] == 1


async def test_a_redelivery_in_the_other_addressing_mode_is_the_same_message(stage: Stage) -> None:
    first = stage.inbound("hello", phone=PHONE, lid=LID)
    by_number = stage.inbound("hello", phone=PHONE, wa_message_id=first.wa_message_id)
    await stage.deliver(first)
    await stage.deliver(by_number)
    assert len(await stage.rows()) == 1
    assert len((await stage.owner.get("/chats")).json()["data"]) == 1


async def test_a_mapping_that_arrives_late_joins_two_contacts_and_drops_doubles(stage: Stage) -> None:
    by_number = stage.inbound("first", phone=PHONE)
    by_lid = stage.inbound("first", phone=None, lid=LID, wa_message_id=by_number.wa_message_id)
    await stage.deliver(by_number, stage.inbound("second", phone=PHONE))
    await stage.deliver(by_lid, stage.inbound("third", phone=None, lid=LID))
    assert len((await stage.owner.get("/contacts")).json()["data"]) == 2
    await stage.deliver(stage.inbound("fourth", phone=PHONE, lid=LID))
    contacts = (await stage.owner.get("/contacts")).json()["data"]
    assert [{item["kind"] for item in contact["identifiers"]} for contact in contacts] == [{"phone", "lid"}]
    assert sorted(row["body"] for row in await stage.rows()) == ["first", "fourth", "second", "third"]
    assert {row["author"] for row in await stage.rows()} == {f"{LID}@lid"}
    assert len((await stage.owner.get("/chats")).json()["data"]) == 1
    names = [event["name"] for event in (await stage.owner.get("/events", after=0)).json()["data"]]
    assert "contact.merged" in names


async def test_another_member_of_a_group_may_use_the_same_message_id(stage: Stage) -> None:
    group: dict[str, Any] = {"chat": "120363000000000001@g.us", "is_group": True, "wa_message_id": "3ASAME"}
    await stage.deliver(stage.inbound("one", phone="+628110000101", **group))
    await stage.deliver(stage.inbound("two", phone="+628110000102", **group))
    assert sorted(row["body"] for row in await stage.rows()) == ["one", "two"]


async def test_a_message_typed_on_the_phone_itself_appears_as_ours(stage: Stage) -> None:
    own = stage.inbound("typed on the phone", from_me=True, author="")
    await stage.deliver(own)
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    message = (await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"][0]
    assert (message["direction"], message["source"], message["state"]) == ("outbound", "phone", "sent")
    assert chat["unread_count"] == 0


@pytest.mark.kind("unsupported", "api")
async def test_an_unknown_kind_is_kept_and_shown_as_unsupported(stage: Stage) -> None:
    message = Message()
    message.paymentInviteMessage.expiryTimestamp = 1
    await stage.deliver(stage.inbound("", raw=message.SerializeToString()))
    row = (await stage.rows())[0]
    assert row["raw"] == message.SerializeToString()
    shown = (await stage.owner.get(f"/messages/{row['id']}")).json()
    assert (shown["type"], shown["unsupported"]["kind"]) == ("unsupported", "paymentInviteMessage")


async def test_a_damaged_message_is_kept_raw(stage: Stage) -> None:
    await stage.deliver(stage.inbound("", raw=b"\xff\xff\xff"))
    row = (await stage.rows())[0]
    assert (row["kind"], row["raw"], row["flags"]) == ("unsupported", b"\xff\xff\xff", {"unprocessable": True})


async def test_a_message_that_could_not_be_decrypted_is_put_in_when_it_comes_again(stage: Stage) -> None:
    broken = stage.inbound("", raw=b"", undecryptable=True)
    await stage.deliver(broken)
    assert (await stage.rows())[0]["content"] == {"kind": "undecryptable"}
    await stage.deliver(stage.inbound("readable now", wa_message_id=broken.wa_message_id))
    (row,) = await stage.rows()
    shown = (await stage.owner.get(f"/messages/{row['id']}")).json()
    assert (shown["type"], shown["text"]["body"]) == ("text", "readable now")
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (chat["last_message"]["preview"], chat["unread_count"]) == ("readable now", 1)
    last = (await stage.owner.get("/events", after=0, limit=200)).json()["data"][-1]
    assert (last["name"], last["data"]["message_id"]) == ("message.edited", str(row["id"]))


async def test_a_placeholder_and_its_message_in_one_batch_are_one_message(stage: Stage) -> None:
    broken = stage.inbound("", raw=b"", undecryptable=True)
    await stage.deliver(broken, stage.inbound("readable now", wa_message_id=broken.wa_message_id), broken)
    assert [row["body"] for row in await stage.rows()] == ["readable now"]


async def test_protocol_messages_that_are_nothing_for_people_are_not_shown(stage: Stage) -> None:
    message = Message()
    message.protocolMessage.type = message.protocolMessage.APP_STATE_SYNC_KEY_SHARE
    assert (await stage.deliver(stage.inbound("", raw=message.SerializeToString()))).stored == 0
    assert await stage.rows() == []


@pytest.mark.kind("receipt", "api")
async def test_marking_a_chat_as_read_clears_its_count_and_tells_everybody(stage: Stage) -> None:
    await stage.deliver(stage.inbound("one"), stage.inbound("two"))
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (await stage.owner.post(f"/chats/{chat['id']}/read")).status_code == 204
    assert (await stage.owner.get(f"/chats/{chat['id']}")).json()["unread_count"] == 0
    last = (await stage.owner.get("/events", after=0, limit=200)).json()["data"][-1]
    assert (last["name"], last["data"]["unread_count"]) == ("chat.updated", 0)


async def test_reading_on_the_phone_clears_the_count_here_too(stage: Stage) -> None:
    first, second = stage.inbound("one"), stage.inbound("two")
    await stage.deliver(first, second)
    await stage.receipt(first.wa_message_id, "read", from_me=True)
    assert (await stage.owner.get("/chats")).json()["data"][0]["unread_count"] == 1
    await stage.receipt(second.wa_message_id, "read", from_me=True)
    assert (await stage.owner.get("/chats")).json()["data"][0]["unread_count"] == 0


_FORMS = st.sampled_from(["phone", "lid", "both"])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deliveries=st.lists(st.tuples(st.integers(0, 4), _FORMS, st.booleans()), min_size=1, max_size=14))
def test_any_interleaving_of_live_and_repeated_deliveries_gives_each_message_once(
    deliveries: list[tuple[int, str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import anyio

    async def run(directory: Path) -> None:
        async with run_app(directory) as running:
            stage = await Stage.build(await running.owner())
            batch: list[Any] = []
            for index, form, cut in deliveries:
                phone = PHONE if form != "lid" else None
                lid = LID if form != "phone" else None
                batch.append(stage.inbound(f"serial {index}", phone=phone, lid=lid, wa_message_id=f"3A{index}"))
                if cut:
                    await stage.deliver(*batch)
                    batch = []
            await stage.deliver(*batch)
            await stage.deliver(stage.inbound("end", phone=PHONE, lid=LID, wa_message_id="3AEND"))
            bodies = sorted(row["body"] for row in await stage.rows())
            assert bodies == sorted({*(f"serial {index}" for index, _, _ in deliveries), "end"})
            chats = (await stage.owner.get("/chats")).json()["data"]
            assert len(chats) == 1

    anyio.run(run, tmp_path_factory.mktemp("interleaving"))


async def test_a_character_that_not_every_database_can_store_harms_no_message(stage: Stage) -> None:
    stored = await stage.deliver(stage.inbound("before\x00after", push_name="A\x00yu"))
    assert stored.stored == 1
    (row,) = await stage.rows()
    assert row["body"] == "before�after"
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert chat["contact"]["display_name"] == "A�yu"


async def test_a_mapping_learned_in_the_same_commit_reaches_the_messages_before_it(stage: Stage) -> None:
    busy = asyncio.create_task(stage.rows())
    await asyncio.gather(
        *(
            stage.deliver(stage.inbound("text", phone=f"+62811000{n:04d}", lid=lid))
            for n in range(10)
            for lid in (None, f"10000{n:04d}")
        ),
    )
    await busy
    rows = await stage.rows()
    assert len(rows) == 20
    assert all(row["author"].endswith("@lid") for row in rows)
