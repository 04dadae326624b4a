"""Broken encryption heals: nothing stays unreadable, here or on a customer's phone, also over a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blazz.kit import failpoints
from blazz.messaging.tables import messages
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, shown, text
from tests.support.waiting import eventually
from whatsim.model import FaultSpec
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with simulated_network(tmp_path / "network") as network:
        yield network


@pytest.fixture
async def blazz(tmp_path: Path, network: Network) -> AsyncIterator[Blazz]:
    async with running(tmp_path / "blazz", network) as blazz:
        yield blazz


async def conversation(blazz: Blazz, network: Network) -> tuple[Number, str]:
    """Link a number and have a customer write to it."""
    number = await blazz.link()
    customer = (await network.create_phone(name="Budi")).number
    await network.send_message(customer, number.phone, text("hello"))
    await eventually(lambda: _here(blazz, ["hello"]), what="the first message")
    return number, customer


async def _here(blazz: Blazz, wanted: list[str]) -> bool:
    return await blazz.bodies(from_me=False) == wanted


async def _shown(network: Network, phone: str, wanted: list[str]) -> bool:
    return shown(network, phone) == wanted and not any(m.undecryptable for m in network.messages(phone))


async def device_of(network: Network, number: Number) -> int:
    """Return the number of our linked device."""
    return network.get_phone(number.phone).devices[0].id


async def test_a_customer_that_lost_its_session_gets_the_message_again(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    await blazz.state(await blazz.send_text(number, customer, "one"), "delivered")
    await network.forget_session(customer, number.phone, await device_of(network, number))
    await blazz.state(await blazz.send_text(number, customer, "two"), "delivered")
    await eventually(lambda: _shown(network, customer, ["one", "two"]), what="the message, read again")
    (lost,) = [message for message in network.messages(customer) if message.body == "two"]
    assert lost.retry_requests == 1
    await blazz.state(await blazz.send_text(number, customer, "three"), "delivered")
    assert network.messages(customer)[-1].retry_requests == 0, "the session is whole again"


async def test_a_request_for_a_message_is_answered_after_a_restart(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    device = await device_of(network, number)
    await blazz.state(await blazz.send_text(number, customer, "one"), "delivered")
    await network.set_online(customer, online=False)
    message_id = await blazz.send_text(number, customer, "two")
    await blazz.state(message_id, "sent")
    await blazz.stop()
    await network.forget_session(customer, number.phone, device)
    await network.set_online(customer, online=True)
    await blazz.start()
    await blazz.status(number.account_id, "connected")
    await eventually(lambda: _shown(network, customer, ["one", "two"]), what="the message, by another engine host")
    await blazz.state(message_id, "delivered")


async def test_a_message_that_could_not_be_read_is_replaced_when_it_comes(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    network.add_fault(FaultSpec("corrupt", number.phone, count=1))
    await network.send_message(customer, number.phone, text("broken on the way"))
    await eventually(lambda: _here(blazz, ["hello", "broken on the way"]), what="the message that was sent again")
    row = (await blazz.messages(messages.c.from_me.is_(False)))[-1]
    assert (row["kind"], row["content"].get("kind")) == ("text", None)
    assert network.stats().retry_requests >= 1, "it was asked for again"
    await network.send_message(customer, number.phone, text("and on"))
    await eventually(lambda: _here(blazz, ["hello", "broken on the way", "and on"]))
    assert len({one["wa_message_id"] for one in await blazz.messages()}) == len(await blazz.messages())


@pytest.mark.parametrize("cut", ["ingest.before_store", "ingest.stored_before_ack"])
async def test_what_cannot_be_read_is_stored_before_it_is_confirmed(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    number, customer = await conversation(blazz, network)
    await eventually(lambda: network.stats().queued == 0, what="everything is confirmed")
    counters = blazz.instance.ingest.counters
    refused = counters.refused
    failpoints.arm(cut, "error")
    try:
        network.add_fault(FaultSpec("corrupt", number.phone, count=1))
        await network.send_message(customer, number.phone, text("broken on the way"))
        await eventually(lambda: counters.refused > refused, what="the refusal to store it")
        assert network.stats().retry_requests == 0, "its sender was asked for it again, and here is no trace of it"
        assert network.stats().queued >= 1, "it was confirmed, and here is no trace of it"
        await network.send_message(customer, number.phone, text("and on"))
    finally:
        failpoints.disarm(cut)
    await eventually(lambda: _here(blazz, ["hello", "broken on the way", "and on"]), what="both, in their order")
    await eventually(lambda: network.stats().queued == 0, what="their confirmation")


async def test_what_its_sender_cannot_send_again_comes_from_our_own_phone(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    network.add_fault(FaultSpec("corrupt", number.phone, count=1))
    await network.set_online(customer, online=False)  # it hears of no request any more
    await network.send_message(customer, number.phone, text("once only"))
    await eventually(lambda: _here(blazz, ["hello", "once only"]), what="the copy of our own phone")
    assert network.stats().retry_requests >= 1, "it was asked for again"


async def test_prekeys_that_the_server_has_lost_are_made_anew(blazz: Blazz, network: Network) -> None:
    number, _ = await conversation(blazz, network)
    network.add_fault(FaultSpec("forget_prekeys", number.phone))
    stranger = (await network.create_phone(name="New")).number
    await network.send_message(stranger, number.phone, text("my first words"))
    await eventually(lambda: _here(blazz, ["hello", "my first words"]), what="a stranger's first message")
    (device,) = network._core.world.phone(number.phone).devices.values()
    await eventually(lambda: device.prekeys_left > 0, what="new one-time keys at the server")


async def test_what_comes_from_the_gap_is_stored_once_and_says_so(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    await blazz.commands.disconnect(number.account_id)
    await blazz.status(number.account_id, "disconnected")
    await network.send_message(customer, number.phone, text("while away"))
    await network.send_message(number.phone, customer, text("answered on the phone"))
    await blazz.connect(number.account_id)
    await blazz.status(number.account_id, "connected")
    await eventually(lambda: _here(blazz, ["hello", "while away"]), what="the message of the gap")

    async def both() -> bool:
        return await blazz.bodies(from_me=True) == ["answered on the phone"]

    await eventually(both, what="our own message of the gap")
    gap = [row for row in await blazz.messages() if row["body"] != "hello"]
    assert [(row["source"], (row["flags"] or {}).get("offline")) for row in gap] == [
        ("customer", True),
        ("phone", True),
    ]
