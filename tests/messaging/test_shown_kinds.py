"""Kinds that only come in: what the API shows of them."""

from __future__ import annotations

from typing import Any

import pytest

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from tests.messaging.stage import Stage

pytestmark = pytest.mark.anyio


async def shown(stage: Stage, message: Message) -> dict[str, Any]:
    """Have a message come in and return what the API gives for it."""
    await stage.deliver(stage.inbound("", raw=message.SerializeToString()))
    row = (await stage.rows())[0]
    answer: dict[str, Any] = (await stage.owner.get(f"/messages/{row['id']}")).json()
    return answer


@pytest.mark.kind("live_location", "api")
async def test_a_live_location_is_a_place_that_moves(stage: Stage) -> None:
    message = Message()
    message.liveLocationMessage.degreesLatitude = -6.2
    message.liveLocationMessage.degreesLongitude = 106.8
    answer = await shown(stage, message)
    assert answer["type"] == "location"
    assert (answer["location"]["latitude"], answer["location"]["longitude"]) == (-6.2, 106.8)
    assert answer["location"]["live"]


@pytest.mark.kind("interactive", "api")
async def test_buttons_show_their_words(stage: Stage) -> None:
    message = Message()
    message.buttonsMessage.contentText = "Red or blue?"
    message.buttonsMessage.buttons.add(buttonID="r", buttonText={"displayText": "Red"})
    answer = await shown(stage, message)
    assert answer["type"] == "interactive"
    assert "Red or blue?" in str(answer["interactive"])
    assert "'Red'" in str(answer["interactive"])


@pytest.mark.kind("button", "api")
async def test_an_answer_to_buttons_says_which(stage: Stage) -> None:
    message = Message()
    message.buttonsResponseMessage.selectedButtonID = "r"
    message.buttonsResponseMessage.selectedDisplayText = "Red"
    answer = await shown(stage, message)
    assert answer[answer["type"]]
    assert "'Red'" in str(answer[answer["type"]])


@pytest.mark.kind("mentions", "api")
async def test_a_text_names_whom_it_mentions(stage: Stage) -> None:
    message = Message()
    message.extendedTextMessage.text = "@628110000102 look"
    message.extendedTextMessage.contextInfo.mentionedJID.append("628110000102@s.whatsapp.net")
    answer = await shown(stage, message)
    assert "628110000102" in str(answer["context"]["mentions"])
