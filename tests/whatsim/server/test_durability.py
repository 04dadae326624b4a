"""Killed at any moment and started again, the network has lost nothing that it had promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.whatsim.companion import Companion
from tests.whatsim.killable import KillableNetwork
from whatsim.model import Echo, TextContent
from whatsim.network import Network, NetworkConfig
from whatsim.wire.binary import Node

pytestmark = pytest.mark.anyio


@pytest.fixture
async def killable(tmp_path: Path) -> AsyncIterator[list[KillableNetwork]]:
    """A list whose last entry is the running network; all are killed at the end."""
    networks = [await KillableNetwork.start(tmp_path / "state")]
    yield networks
    for network in networks:
        await network.kill()


async def test_clients_sessions_and_queues_survive_kills(killable: list[KillableNetwork]) -> None:
    network = killable[0]
    shop, customer = await network.call("phone"), await network.call("phone")
    client = network.companion()
    await network.link(client, shop["number"])
    for turn in range(3):
        await client.send_text(customer["lid"], f"up {turn}", f"UP{turn}")
        await network.call("send", customer["number"], shop["number"], f"down {turn}")
        await client.text(f"down {turn}")
        await client.close()
        await network.call("send", customer["number"], shop["number"], f"queued {turn}")
        await network.kill()
        network = await network.again()
        killable.append(network)
        await client.login()
        await client.text(f"queued {turn}")
    assert client.undecryptable == []
    assert [message[0] for message in await network.call("messages", customer["number"]) if message[1]] == [
        "up 0",
        "up 1",
        "up 2",
    ]
    await client.close()


async def test_what_was_acknowledged_is_kept_and_shown_once(killable: list[KillableNetwork]) -> None:
    network = killable[0]
    shop, customer = await network.call("phone"), await network.call("phone")
    client = network.companion()
    await network.link(client, shop["number"])
    await client.send_text(customer["lid"], "first", "FIRST")
    stanzas = [await client.encrypted(customer["lid"], f"serial {number}", f"S{number}") for number in range(200)]
    for stanza in stanzas:
        client.send(stanza)
    await client.node("ack", id="S20")
    await network.kill()
    await client.ended()
    acknowledged = {node.attrs["id"] for node in client.nodes if node.tag == "ack"} | {"S20"}
    network = await network.again()
    killable.append(network)
    kept = {message[0] for message in await network.call("messages", customer["number"])}
    assert {f"serial {name[1:]}" for name in acknowledged if name.startswith("S")} <= kept
    # The client is unsure about the rest and repeats everything, byte for byte.
    await client.login()
    for stanza in stanzas:
        client.send(stanza)
    await client.wait(lambda: {f"S{n}" for n in range(200)} <= {node.attrs.get("id") for node in client.nodes})
    shown = await network.call("messages", customer["number"])
    assert sorted(message[0] for message in shown) == sorted(["first", *(f"serial {n}" for n in range(200))])
    assert all(message[2] == 0 for message in shown)
    await client.close()


async def test_an_offline_phones_messages_survive(killable: list[KillableNetwork]) -> None:
    network = killable[0]
    shop, customer = await network.call("phone"), await network.call("phone")
    client = network.companion()
    await network.link(client, shop["number"])
    await network.call("online", customer["number"], False)
    await client.send_text(customer["lid"], "for later", "LATER")
    await network.kill()
    network = await network.again()
    killable.append(network)
    await network.call("online", customer["number"], True)
    assert await network.call("messages", customer["number"]) == [["for later", 1, 0]]
    await client.close()


async def test_a_device_unlinked_before_the_kill_stays_out(wire_network: Network, tmp_path: Path, shop: str) -> None:
    client = Companion.of(wire_network)
    await client.link(wire_network, shop)
    await client.close()
    await wire_network.unlink(shop, 1)
    await wire_network.close()
    again = await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))
    client.address = again.wire_address
    await client.connect()
    assert (await client.node("failure")).attrs["reason"] == "401"
    await client.close()
    await again.close()


async def test_everything_shown_is_the_same_after_a_restart(
    wire_network: Network, tmp_path: Path, shop: str, customer: str, companion: Companion
) -> None:
    await wire_network.set_behaviour(customer, Echo("again: ", 0.5))
    await wire_network.send_message(customer, shop, TextContent("one"))
    await companion.text("one")
    await companion.send_text(f"{wire_network.get_phone(customer).lid}@lid", "two", "TWO")
    await wire_network.mark_read(shop, customer)
    await companion.close()
    for _ in range(500):
        if not wire_network.stats().online:
            break
        await asyncio.sleep(0.01)
    before = [(phone, wire_network.messages(phone.number)) for phone in wire_network.list_phones()]
    network_id = wire_network.network_id
    await wire_network.close()
    again = await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))
    assert [(phone, again.messages(phone.number)) for phone in again.list_phones()] == before
    assert again.network_id == network_id
    await again.close()


async def test_one_directory_serves_one_network(wire_network: Network, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in use"):
        await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))


async def test_a_key_is_handed_out_once_even_over_a_restart(
    wire_network: Network, tmp_path: Path, shop: str, companion: Companion
) -> None:
    taken = {(await companion.fetch_bundle(companion.lid)).one_time_id for _ in range(3)}
    await companion.close()
    await wire_network.close()
    again = await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))
    companion.address = again.wire_address
    await companion.login()
    taken |= {(await companion.fetch_bundle(companion.lid)).one_time_id for _ in range(3)}
    assert len(taken) == 6
    count = (await companion.iq("encrypt", "get", Node("count"))).children[0]
    # 20 were uploaded, one of them began the phone's own session.
    assert count.attrs["value"] == "13"
    await companion.close()
    await again.close()
