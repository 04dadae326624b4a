"""Messages travel both ways, are shown once, confirmed, asked for again when unreadable, and kept meanwhile."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.whatsim.companion import Companion
from whatsim.model import (
    Echo,
    ImageContent,
    InvalidContent,
    MessageView,
    NetworkEvent,
    RawContent,
    Script,
    ScriptRule,
    TextContent,
)
from whatsim.network import Network
from whatsim.wire import e2e
from whatsim.wire.binary import Node
from whatsim.wire.media import unseal

pytestmark = pytest.mark.anyio


def lid(network: Network, number: str) -> str:
    return f"{network.get_phone(number).lid}@lid"


def last(network: Network, number: str) -> MessageView:
    message = network.get_phone(number).last_message
    assert message is not None
    return message


async def test_a_text_reaches_the_companion_and_is_shown_on_both_phones(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    sent = await wire_network.send_message(customer, shop, TextContent("hello"))
    received = await companion.text("hello")
    assert (received.id, received.sender) == (sent.message_id, lid(wire_network, customer))
    assert last(wire_network, shop).body == "hello"
    assert last(wire_network, shop).direction == "in"
    assert wire_network.get_phone(shop).unread == 1
    await companion.wait(lambda: wire_network.stats().queued == 0)


async def test_a_reply_reaches_the_phone_once_and_is_confirmed(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    ack = await companion.send_text(lid(wire_network, customer), "reply", "ID1")
    assert "error" not in ack.attrs
    receipt = await companion.node("receipt", id="ID1")
    assert receipt.attrs["from"] == lid(wire_network, customer)
    shown = last(wire_network, customer)
    assert (shown.body, shown.from_number, shown.deliveries) == ("reply", shop, 1)


async def test_one_message_id_is_shown_once_however_often_it_comes(
    wire_network: Network, customer: str, companion: Companion
) -> None:
    to = lid(wire_network, customer)
    await companion.send_text(to, "same", "ID1")
    await companion.send_text(to, "same", "ID1")
    stanza = await companion.encrypted(to, "other", "ID2")
    for _ in range(2):
        companion.send(stanza)
        await companion.node("ack", id="ID2")
    shown = wire_network.messages(customer)
    assert [(message.body, message.deliveries, message.decrypt_failures) for message in shown] == [
        ("same", 2, 0),
        ("other", 2, 0),
    ]


async def test_the_phone_answers_in_the_addressing_mode_that_the_peer_used(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    await companion.send_text(f"{customer}@s.whatsapp.net", "by number", "ID1")
    await wire_network.send_message(customer, shop, TextContent("also"))
    assert (await companion.text("also")).sender == f"{customer}@s.whatsapp.net"
    await companion.send_text(lid(wire_network, customer), "by lid", "ID2")
    await wire_network.send_message(customer, shop, TextContent("as well"))
    assert (await companion.text("as well")).sender == lid(wire_network, customer)


async def test_a_picture_travels_encrypted(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(out, "PNG")
    sent = await wire_network.send_message(customer, shop, ImageContent(out.getvalue(), "image/png", "a cat"))
    image = (await companion.text("a cat")).content.image
    assert image is not None
    assert image.direct_path is not None and image.media_key is not None
    assert (image.width, image.height) == (30, 20)
    stored = wire_network._core.media_host.load(image.direct_path)
    assert stored is not None
    assert unseal(stored, image.media_key, "image") == out.getvalue()
    assert wire_network.media(shop, sent.message_id) == (out.getvalue(), "image/png")


@pytest.mark.parametrize(
    "content",
    [TextContent(""), TextContent("x" * 65_537), ImageContent(b"no picture"), RawContent(b"\xff"), RawContent(b"")],
)
async def test_unusable_content_is_refused(
    wire_network: Network, shop: str, customer: str, content: TextContent | ImageContent | RawContent
) -> None:
    with pytest.raises(InvalidContent):
        await wire_network.send_message(customer, shop, content)
    assert wire_network.messages(customer) == []


async def test_a_serialised_message_is_sent_as_it_is(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    data = e2e.Message(extended_text=e2e.ExtendedTextMessage("raw")).encode()
    await wire_network.send_message(customer, shop, RawContent(data))
    assert (await companion.text("raw")).content.extended_text is not None


async def test_reading_is_reported_both_ways(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    await companion.send_text(lid(wire_network, customer), "read me", "ID1")
    assert await wire_network.mark_read(customer, shop) == 1
    assert await wire_network.mark_read(customer, shop) == 0
    await companion.node("receipt", id="ID1", type="read")
    sent = await wire_network.send_message(customer, shop, TextContent("and me"))
    await companion.text("and me")
    companion.send(Node("receipt", {"id": sent.message_id, "to": lid(wire_network, customer), "type": "read"}))
    await companion.node("ack", id=sent.message_id, type="read")
    assert [receipt.state for receipt in last(wire_network, customer).receipts] == ["sent", "delivered", "read"]
    assert wire_network.get_phone(shop).unread == 0


async def test_a_message_waits_until_it_is_confirmed(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    companion.confirm = False
    await wire_network.send_message(customer, shop, TextContent("unconfirmed"))
    await companion.text("unconfirmed")
    await companion.close()
    companion.nodes.clear()
    await companion.login()
    again = await companion.node("message")
    assert again.attrs["offline"] == "0"
    companion.send(Node("receipt", {"id": again.attrs["id"], "to": again.attrs["from"]}))
    await companion.node("ack", id=again.attrs["id"])
    assert wire_network.stats().queued == 0


async def test_the_phone_asks_again_for_what_it_cannot_read(
    wire_network: Network, customer: str, companion: Companion
) -> None:
    to = lid(wire_network, customer)
    await companion.send_text(to, "first", "ID1")
    await companion.node("receipt", id="ID1")
    # The companion's session is confirmed by an answer, so that its next message needs the phone's session.
    await wire_network.send_message(customer, companion.jid.split(":")[0], TextContent("answer"))
    await companion.text("answer")
    await wire_network.forget_session(customer, companion.jid.split(":")[0], 1)
    await companion.send_text(to, "unreadable", "ID2")
    retry = await companion.node("receipt", id="ID2", type="retry")
    shown = last(wire_network, customer)
    assert (shown.undecryptable, shown.body, shown.decrypt_failures, shown.retry_requests) == (True, "", 1, 1)
    companion.accept_retry(retry, to)
    await companion.send_text(to, "unreadable", "ID2")
    shown = last(wire_network, customer)
    assert (shown.undecryptable, shown.body, shown.deliveries) == (False, "unreadable", 2)


async def test_the_phone_sends_again_what_the_companion_could_not_read(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    companion.confirm = False
    sent = await wire_network.send_message(customer, shop, TextContent("again please"))
    await companion.text("again please")
    sender = lid(wire_network, customer)
    retry = Node("retry", {"count": "1", "id": sent.message_id, "t": "1", "v": "1"})
    children = [retry, Node("registration", {}, b"\0\0\0\1")]
    companion.send(Node("receipt", {"id": sent.message_id, "to": sender, "type": "retry"}, children))
    # The client also acknowledges the stanza that it could not read; that must not take the new one away.
    companion.send(Node("ack", {"class": "message", "id": sent.message_id, "to": sender}))
    await companion.wait(lambda: sum(message.id == sent.message_id for message in companion.received) == 2)
    assert last(wire_network, customer).retry_requests == 1
    assert wire_network.stats().queued == 1


async def test_what_is_sent_again_keeps_its_place_until_the_first_is_confirmed(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    companion.confirm = False
    sent = await wire_network.send_message(customer, shop, TextContent("first"))
    await companion.text("first")
    retry = Node("retry", {"count": "1", "id": sent.message_id, "t": "1", "v": "1"})
    children = [retry, Node("registration", {}, b"\0\0\0\1")]
    companion.send(
        Node("receipt", {"id": sent.message_id, "to": lid(wire_network, customer), "type": "retry"}, children)
    )
    await wire_network.send_message(customer, shop, TextContent("second"))
    await companion.text("second")
    await companion.wait(lambda: len(companion.received) == 3)
    await companion.close()  # before it confirmed that it had the unreadable one
    companion.nodes.clear()
    await companion.login()
    await companion.wait(lambda: sum(node.tag == "message" for node in companion.nodes) == 2)
    again = [node for node in companion.nodes if node.tag == "message"]
    assert [node.attrs["id"] == sent.message_id for node in again] == [True, False]


async def test_an_offline_phone_receives_later(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    await wire_network.set_online(customer, False)
    await companion.send_text(lid(wire_network, customer), "from the companion", "ID1")
    await wire_network.send_message(shop, customer, TextContent("from the phone"))
    assert wire_network.messages(customer) == []
    await wire_network.set_online(customer, True)
    assert [message.body for message in wire_network.messages(customer)] == ["from the companion", "from the phone"]
    await companion.node("receipt", id="ID1")


async def test_phones_answer_as_they_are_told(wire_network: Network, customer: str, companion: Companion) -> None:
    to = lid(wire_network, customer)
    await wire_network.set_behaviour(customer, Echo("echo: "))
    await companion.send_text(to, "hi", "ID1")
    await companion.text("echo: hi")
    rules = (ScriptRule("price", "10 USD"), ScriptRule("", "Pardon?", 0.01))
    await wire_network.set_behaviour(customer, Script(rules))
    await companion.send_text(to, "What is the PRICE?", "ID2")
    await companion.text("10 USD")
    await companion.send_text(to, "Thanks", "ID3")
    await companion.text("Pardon?")


async def test_two_echoing_phones_do_not_talk_forever(wire_network: Network, shop: str, customer: str) -> None:
    for number in (shop, customer):
        await wire_network.set_behaviour(number, Echo())
    await wire_network.send_message(customer, shop, TextContent("hi"))
    assert len(wire_network.messages(customer)) == 2


async def test_own_companions_see_what_the_phone_and_the_others_send(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    await wire_network.send_message(shop, customer, TextContent("from the phone"))
    received = await companion.text("from the phone")
    assert received.sender == lid(wire_network, shop)


async def test_typing_is_shown_to_both_sides(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    events = wire_network.subscribe()
    companion.send(Node("presence", {"type": "available", "name": "Shop"}))
    companion.send(Node("chatstate", {"to": lid(wire_network, customer)}, [Node("composing")]))
    event: NetworkEvent = await anext(events)
    assert (event.kind, event.number, event.chat, event.composing) == ("typing", customer, shop, True)
    await wire_network.typing(customer, shop, True)
    assert (await companion.node("chatstate")).children[0].tag == "composing"


async def test_a_quoted_message_is_named(wire_network: Network, shop: str, customer: str, companion: Companion) -> None:
    await companion.send_text(lid(wire_network, customer), "question", "ID1")
    await wire_network.send_message(customer, shop, TextContent("answer", quoted_id="ID1"))
    await companion.text("answer")
    assert last(wire_network, shop).quoted_id == "ID1"
    with pytest.raises(InvalidContent):
        await wire_network.send_message(customer, shop, TextContent("answer", quoted_id="unknown"))
