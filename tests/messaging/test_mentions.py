"""Who is named in texts: told with the message and with the line that stands for it in the list of chats."""

from __future__ import annotations

from typing import Any

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.db import Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import outbox
from blazz.messaging.outbox import SendResult
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


async def test_an_edit_names_whom_its_text_names(stage: Stage) -> None:
    lid, phone = "1234567890@lid", "628110000102@s.whatsapp.net"
    await stage.deliver(stage.inbound("Hello", lid="1234567890"))
    first = {"type": "text", "text": {"body": "@1234567890 please"}, "context": {"mentions": [lid]}}
    message = (await stage.owner.post("/messages", {"to": "+628110000101", **first})).json()
    scope = Workspaces.of([stage.owner.workspace_id])
    database = stage.owner.running.database
    (item,) = await database.write(scope, outbox.claim, [stage.account_id], 10, utc_now())
    await database.write(scope, outbox.record_results, [SendResult.sent(item, utc_now())])

    async def edited(text: str, status: int = 202, **context: Any) -> tuple[str, list[str], list[str]]:
        body = {"to": "+628110000101", "type": "edit", "edit": {"message_id": message["id"], "text": {"body": text}}}
        answer = await stage.owner.post("/messages", body | ({"context": context} if context else {}))
        assert answer.status_code == status, answer.text
        if status != 202:
            return answer.json()["code"], [], []
        (item,) = await database.write(scope, outbox.claim, [stage.account_id], 10, utc_now())
        await database.write(scope, outbox.record_results, [SendResult.sent(item, utc_now())])
        new = Message.FromString(item.payload or b"").editedMessage.message.protocolMessage.editedMessage
        view = (await stage.owner.get(f"/messages/{message['id']}")).json()["context"]["mentioned"]
        wire = list(new.extendedTextMessage.contextInfo.mentionedJID)
        return new.conversation or new.extendedTextMessage.text, wire, [one["address"] for one in view]

    again = "@1234567890 please, today"
    assert await edited(again) == (again, [lid], [lid])
    other = "@1234567890 or @628110000102"
    assert await edited(other, mentions=[lid, "+628110000102"]) == (other, [lid, phone], [lid, phone])
    assert await edited("nobody") == ("nobody", [], [])
    assert (await edited("x", 422, message_id=message["id"]))[0] == "context_not_allowed"
