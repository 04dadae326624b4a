"""Every kind of disturbance does what it says, to whom it says, and no longer."""

from __future__ import annotations

import asyncio

import pytest

from tests.whatsim.companion import Companion
from whatsim.model import FaultSpec, InvalidFault, LinkRefused, TextContent
from whatsim.network import Network
from whatsim.server import linking
from whatsim.server.http import Request
from whatsim.wire.binary import Node
from whatsim.wire.media import seal

pytestmark = pytest.mark.anyio


async def test_a_login_is_refused_as_often_as_asked(wire_network: Network, shop: str, companion: Companion) -> None:
    await companion.close()
    wire_network.add_fault(FaultSpec("refuse_login", number=shop, code="503", count=1))
    await companion.connect()
    assert (await companion.node("failure")).attrs["reason"] == "503"
    await companion.ended()
    assert wire_network.list_faults() == []
    await companion.login()


async def test_a_newer_login_replaces_the_older_connection(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    older_writer, older_task, older_cipher = companion._writer, companion._task, companion._write
    late = await companion.encrypted(f"{wire_network.get_phone(customer).lid}@lid", "too late", "LATE")
    await companion.login()
    error = await companion.node("stream:error")
    assert error.children[0].attrs == {"type": "replaced"}
    # The older connection is still open for a moment; what it sends now must not count.
    newer = companion._writer, companion._task, companion._write
    companion._writer, companion._task, companion._write = older_writer, older_task, older_cipher
    companion.send(late)
    await companion.ended()
    companion._writer, companion._task, companion._write = newer
    await companion.iq("w:p", "get")
    assert wire_network.messages(customer) == []
    stats = wire_network.stats()
    assert (stats.replaced, stats.stanzas_from_older_connection) == (1, 0)


async def test_a_connection_is_dropped_or_ended(wire_network: Network, shop: str, companion: Companion) -> None:
    assert wire_network.add_fault(FaultSpec("drop_connection", number=shop)).hits == 1
    await companion.ended()
    await companion.login()
    assert wire_network.add_fault(FaultSpec("stream_error", number=shop, code="503")).hits == 1
    await companion.node("stream:error", code="503")
    await companion.ended()
    assert wire_network.list_faults() == []


async def test_a_silent_connection_gets_nothing_until_the_silence_ends(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    fault = wire_network.add_fault(FaultSpec("silence", number=shop))
    await wire_network.send_message(customer, shop, TextContent("unheard"))
    companion.send(Node("iq", {"id": "ping", "xmlns": "w:p", "type": "get"}))
    for _ in range(500):
        if wire_network.list_faults()[0].hits:
            break
        await asyncio.sleep(0.01)
    assert wire_network.list_faults()[0].hits == 1
    assert companion.received == []
    assert wire_network.clear_faults(fault.id) == 1
    await companion.text("unheard")


async def test_what_is_sent_can_be_late(wire_network: Network, shop: str, companion: Companion) -> None:
    wire_network.add_fault(FaultSpec("delay", number=shop, seconds=0.3))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await companion.iq("w:p", "get")
    assert loop.time() - start >= 0.3


async def test_an_acknowledgement_is_lost_and_the_message_is_not(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    wire_network.add_fault(FaultSpec("lose_acks", number=shop, count=1))
    to = f"{wire_network.get_phone(customer).lid}@lid"
    companion.send(await companion.encrypted(to, "unsure", "ID1"))
    await companion.node("receipt", id="ID1")
    await companion.send_text(to, "unsure", "ID1")
    (shown,) = wire_network.messages(customer)
    assert shown.deliveries == 2
    assert wire_network.stats().acks_lost == 1


async def test_a_message_is_delivered_twice(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    wire_network.add_fault(FaultSpec("duplicate", number=shop, count=1))
    sent = await wire_network.send_message(customer, shop, TextContent("twice"))
    await companion.wait(lambda: companion.undecryptable == [sent.message_id])
    assert [message.text for message in companion.received] == ["twice"]


async def test_messages_are_refused(wire_network: Network, shop: str, customer: str, companion: Companion) -> None:
    wire_network.add_fault(FaultSpec("refuse_messages", number=shop, code="463"))
    ack = await companion.send_text(f"{wire_network.get_phone(customer).lid}@lid", "no", "ID1")
    assert ack.attrs["error"] == "463"
    assert wire_network.messages(customer) == []
    assert wire_network.clear_faults() == 1


async def test_a_lost_message_waits_for_the_next_login(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    wire_network.add_fault(FaultSpec("lose_messages", number=shop, count=1))
    await wire_network.send_message(customer, shop, TextContent("lost"))
    await wire_network.send_message(customer, shop, TextContent("next"))
    await companion.text("next")
    assert [message.text for message in companion.received] == ["next"]
    await companion.close()
    await companion.login()
    await companion.text("lost")


async def test_a_sent_message_is_lost_with_its_acknowledgement(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    wire_network.add_fault(FaultSpec("lose_sent", number=shop, count=1))
    to = f"{wire_network.get_phone(customer).lid}@lid"
    companion.send(await companion.encrypted(to, "into the void", "ID1"))
    await companion.iq("w:p", "get")
    assert wire_network.messages(customer) == []
    await companion.send_text(to, "again", "ID1")
    assert [message.body for message in wire_network.messages(customer)] == ["again"]


async def test_messages_change_places(wire_network: Network, shop: str, customer: str, companion: Companion) -> None:
    wire_network.add_fault(FaultSpec("reorder", number=shop, count=3))
    for body in ("one", "two", "three", "four"):
        await wire_network.send_message(customer, shop, TextContent(body))
    await companion.text("four")
    assert [message.text for message in companion.received] == ["three", "two", "one", "four"]
    assert wire_network.list_faults() == []


async def test_held_messages_are_let_go_in_time_and_when_the_fault_is_cleared(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    wire_network.add_fault(FaultSpec("reorder", number=shop, count=5, seconds=0.05))
    await wire_network.send_message(customer, shop, TextContent("alone"))
    await companion.text("alone")
    assert wire_network.list_faults() == []
    fault = wire_network.add_fault(FaultSpec("reorder", number=shop, count=5, seconds=60))
    await wire_network.send_message(customer, shop, TextContent("held"))
    wire_network.clear_faults(fault.id)
    await companion.text("held")


async def test_a_broken_message_cannot_be_read(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    wire_network.add_fault(FaultSpec("corrupt", number=shop, count=1))
    sent = await wire_network.send_message(customer, shop, TextContent("broken"))
    await companion.wait(lambda: companion.undecryptable == [sent.message_id])
    assert companion.received == []


async def test_forgotten_prekeys_are_asked_for_again(wire_network: Network, shop: str, companion: Companion) -> None:
    assert wire_network.add_fault(FaultSpec("forget_prekeys", number=shop)).hits == 1
    asked = await companion.node("notification", type="encrypt")
    assert asked.children[0].attrs == {"value": "0"}
    assert wire_network.list_faults() == []


async def test_an_accepted_client_that_is_cut_off_must_be_linked_anew(
    wire_network: Network, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "RETURN_S", 0.05)
    wire_network.add_fault(FaultSpec("lose_pair_success", number=shop, count=1))
    client = Companion.of(wire_network)
    await client.connect()
    with pytest.raises(LinkRefused):
        await wire_network.link_qr(shop, await client.qr())
    await client.ended()
    assert not client.jid
    await client.link(wire_network, shop)
    assert len(wire_network.get_phone(shop).devices) == 1
    await client.close()


async def test_a_client_whose_confirmation_is_lost_is_linked_by_its_login(wire_network: Network, shop: str) -> None:
    wire_network.add_fault(FaultSpec("lose_pair_confirmation", number=shop, count=1))
    client = Companion.of(wire_network)
    await client.connect()
    scan = asyncio.create_task(wire_network.link_qr(shop, await client.qr()))
    await client.confirm_pairing()
    await client.ended()
    assert not scan.done()
    await client.login()
    assert (await scan).id == 1
    await client.close()


async def test_expired_media_can_be_fetched_again_after_another_upload(wire_network: Network) -> None:
    host = wire_network._core.media_host
    sealed = seal(b"content", "image")

    async def status(path: str) -> bytes:
        return (await host._route(Request("GET", path, {}, b""))).split(b" ")[1]

    path = await host.keep(sealed)
    assert await status(path) == b"200"
    assert wire_network.add_fault(FaultSpec("expire_media")).hits == 1
    assert await status(path) == b"410"
    await host.keep(sealed)
    assert await status(path) == b"200"


@pytest.mark.parametrize(
    "spec",
    [
        FaultSpec("refuse_login", code="200"),
        FaultSpec("refuse_login"),
        FaultSpec("lose_acks"),
        FaultSpec("lose_acks", count=0),
        FaultSpec("delay", seconds=-1),
        FaultSpec("silence", code="503"),
        FaultSpec("stream_error", code="nonsense"),
        FaultSpec("refuse_messages", code="463", seconds=1),
        FaultSpec("reorder", count=1),
        FaultSpec("lose_messages"),
        FaultSpec("expire_media", number="628110000001"),
        FaultSpec("forget_prekeys", count=1),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(wire_network: Network, spec: FaultSpec) -> None:
    with pytest.raises(InvalidFault):
        wire_network.add_fault(spec)
