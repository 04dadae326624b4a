"""Who is named in texts: told with the message and with the line that stands for it in the list of chats."""

from __future__ import annotations

from typing import Any

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from tests.messaging.stage import Stage

AYU, STRANGER, US = "628110000101@s.whatsapp.net", "987654321@lid", "628119999999@s.whatsapp.net"
TEXT = "@628110000101 and @987654321, this is @628119999999; not @62811000010199"
EXPECTED = [
    {"address": STRANGER, "name": None, "is_us": False},
    {"address": AYU, "name": "Ayu", "is_us": False},
    {"address": US, "name": None, "is_us": True},
]


def naming(text: str, *addresses: str) -> bytes:
    message = Message(extendedTextMessage={"text": text})
    message.extendedTextMessage.contextInfo.mentionedJID.extend(addresses)
    return message.SerializeToString()


async def chats(stage: Stage) -> list[dict[str, Any]]:
    return list((await stage.owner.get("/chats")).json()["data"])


async def test_people_whom_a_text_names_come_with_it_and_with_the_chat(stage: Stage) -> None:
    hidden = "628110000777@s.whatsapp.net"  # mentioned, but not in the text
    await stage.deliver(stage.inbound("", raw=naming(TEXT, STRANGER, AYU, US, hidden)))

    (chat,) = await chats(stage)
    (message,) = (await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"]

    assert message["context"]["mentions"] == [STRANGER, AYU, US, hidden]
    assert message["context"]["mentioned"] == EXPECTED
    assert chat["last_message"]["mentioned"] == EXPECTED
    assert chat["last_message"]["preview"] == TEXT


async def test_a_name_follows_the_contact(stage: Stage) -> None:
    await stage.deliver(stage.inbound("", raw=naming("@628110000101 again", AYU)))
    (chat,) = await chats(stage)
    await stage.owner.patch(f"/contacts/{chat['contact']['id']}", {"name": "Ayu Lestari"})

    (chat,) = await chats(stage)
    assert [one["name"] for one in chat["last_message"]["mentioned"]] == ["Ayu Lestari"]


async def test_nobody_is_named_where_no_text_does_so(stage: Stage) -> None:
    await stage.deliver(
        stage.inbound("mail me at shop@62811.example"), stage.inbound("", raw=naming("all of you", AYU))
    )
    (chat,) = await chats(stage)
    assert chat["last_message"]["mentioned"] == []
    for message in (await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"]:
        assert (message["context"] or {"mentioned": []})["mentioned"] == []


async def test_a_mention_has_the_address_whose_digits_the_text_has(stage: Stage) -> None:
    await stage.deliver(stage.inbound("Hello", lid="1234567890"))
    contact = (await chats(stage))[0]["contact"]["id"]

    async def sent(text: str, person: str) -> list[str]:
        context = {"mentions": [person]}
        answer = await stage.owner.post(
            "/messages", {"to": "+628110000101", "type": "text", "text": {"body": text}, "context": context}
        )
        return list(answer.json()["context"]["mentions"])

    assert await sent("@1234567890 please", AYU) == ["1234567890@lid"]
    assert await sent("@628110000101 please", "1234567890@lid") == [AYU]
    assert await sent("@628110000101 please", contact) == [AYU]
    assert await sent("you, please", AYU) == ["1234567890@lid"]
