"""Every kind of disturbance does what it says, to whom it says, and no longer."""

from __future__ import annotations

import asyncio

import pytest

from tests.whatsim.companion import Companion
from whatsim.model import FaultSpec, InvalidFault, TextContent
from whatsim.network import Network
from whatsim.wire.binary import Node

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
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(wire_network: Network, spec: FaultSpec) -> None:
    with pytest.raises(InvalidFault):
        wire_network.add_fault(spec)
