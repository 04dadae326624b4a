"""What becomes of chats and messages when WhatsApp tells which number belongs to which LID."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messaging.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
PHONE, LID, OTHER_LID = "+628110000101", "100000000000101", "100000000000999"


async def chats(stage: Stage) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await stage.owner.get("/chats")).json()["data"]
    return data


async def test_a_number_that_changed_hands_does_not_join_two_people(stage: Stage) -> None:
    await stage.deliver(stage.inbound("from the first", phone=PHONE, lid=LID, chat=f"{PHONE[1:]}@s.whatsapp.net"))
    await stage.deliver(stage.inbound("from the next", phone=PHONE, lid=OTHER_LID, chat=f"{PHONE[1:]}@s.whatsapp.net"))
    listed = await chats(stage)
    assert sorted(chat["last_message"]["preview"] for chat in listed) == ["from the first", "from the next"]
    contacts = {chat["last_message"]["preview"]: chat["contact"] for chat in listed}
    assert contacts["from the next"]["phone"] == PHONE
    assert contacts["from the first"]["phone"] is None
    answer = (await stage.send(to=PHONE)).json()
    assert answer["chat_id"] == next(c["id"] for c in listed if c["last_message"]["preview"] == "from the next")


async def test_a_number_that_changed_hands_follows_a_lid_that_is_known_already(stage: Stage) -> None:
    await stage.deliver(stage.inbound("a", phone=PHONE, lid=LID), stage.inbound("b", phone=None, lid=OTHER_LID))
    await stage.deliver(stage.inbound("c", phone=PHONE, lid=OTHER_LID))
    previews = {chat["contact"]["lid"]: chat["last_message"]["preview"] for chat in await chats(stage)}
    assert previews == {LID: "a", OTHER_LID: "c"}


async def test_a_groups_message_is_stored_once_in_either_addressing_mode(stage: Stage) -> None:
    group: dict[str, Any] = {"chat": "120363000000000001@g.us", "is_group": True, "wa_message_id": "3AGROUP"}
    await stage.deliver(stage.inbound("hello", phone=PHONE, **group))
    await stage.deliver(stage.inbound("hello", phone=PHONE, lid=LID, **group))
    await stage.deliver(stage.inbound("hello", phone=PHONE, **group))
    assert [row["body"] for row in await stage.rows()] == ["hello"]


async def test_a_chat_that_lost_doubles_counts_and_shows_what_is_left(stage: Stage) -> None:
    await stage.deliver(stage.inbound("one", phone=None, lid=LID, wa_message_id="3A1"))
    await stage.deliver(stage.inbound("one", phone=PHONE, wa_message_id="3A1"))
    await stage.deliver(stage.inbound("one", phone=PHONE, lid=LID, wa_message_id="3A1"))
    (chat,) = await chats(stage)
    (row,) = await stage.rows()
    assert chat["unread_count"] == 1
    assert chat["last_message"]["id"] == str(row["id"])
    assert (await stage.owner.get(f"/messages/{row['id']}")).status_code == 200
