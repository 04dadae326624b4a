"""Clients get the answers that they need about themselves and others."""

from __future__ import annotations

import pytest

from tests.whatsim.companion import Companion
from whatsim.model import TextContent
from whatsim.network import Network
from whatsim.wire import e2e
from whatsim.wire.binary import Node
from whatsim.wire.curve import verify
from whatsim.wire.records import KeyIndexList, SignedKeyIndexList, SyncPatch

pytestmark = pytest.mark.anyio


async def usync(companion: Companion, users: list[Node], *asked: Node) -> list[Node]:
    attrs = {"sid": "1", "mode": "query", "context": "message"}
    query = Node("usync", attrs, [Node("query", {}, list(asked)), Node("list", {}, users)])
    answer = (await companion.iq("usync", "get", query)).child("usync")
    assert answer is not None
    found = answer.child("list")
    assert found is not None
    return found.children


async def test_a_device_list_names_the_phone_and_its_companions(
    wire_network: Network, shop: str, companion: Companion
) -> None:
    lid = f"{wire_network.get_phone(shop).lid}@lid"
    (user,) = await usync(companion, [Node("user", {"jid": lid})], Node("devices", {"version": "2"}), Node("lid"))
    devices = user.child("devices")
    assert devices is not None
    listed, index = devices.children
    assert [device.attrs for device in listed.children] == [{"id": "0"}, {"id": "1", "key-index": "1"}]
    signed = SignedKeyIndexList.decode(index.data())
    assert signed.details is not None
    assert KeyIndexList.decode(signed.details).valid_indexes == [0, 1]
    identity = (await companion.fetch_bundle(lid)).identity
    assert verify(identity, b"\x06\x02" + signed.details, signed.account_signature or b"")
    assert user.child("lid") is not None


async def test_whether_a_number_is_on_the_network(wire_network: Network, customer: str, companion: Companion) -> None:
    users = [Node("user", {}, [Node("contact", {}, f"{number}@c.us".encode())]) for number in (customer, "19998887777")]
    known, unknown = await usync(companion, users, Node("contact", {"addressing_mode": "lid"}))
    assert known.attrs == {
        "jid": f"{wire_network.get_phone(customer).lid}@lid",
        "pn_jid": f"{customer}@s.whatsapp.net",
    }
    contacts = known.child("contact"), unknown.child("contact")
    assert [contact.attrs["type"] for contact in contacts if contact is not None] == ["in", "out"]


async def test_a_companion_is_asked_for_keys_when_they_run_out(companion: Companion) -> None:
    for _ in range(15):
        await companion.fetch_bundle(companion.lid)
    news = await companion.node("notification", type="encrypt")
    assert news.children[0].attrs == {"value": "4"}
    for _ in range(4):
        assert (await companion.fetch_bundle(companion.lid)).one_time_key is not None
    assert (await companion.fetch_bundle(companion.lid)).one_time_key is None


async def test_keys_that_are_uploaded_again_are_kept_once(companion: Companion) -> None:
    await companion.fetch_bundle(companion.lid)
    await companion.upload_prekeys(20, first=1)
    count = (await companion.iq("encrypt", "get", Node("count"))).children[0]
    assert count.attrs["value"] == "18"


async def test_the_phone_shares_its_name_as_a_setting(wire_network: Network, shop: str, companion: Companion) -> None:
    asked = Node("collection", {"name": "critical_block", "version": "0", "return_snapshot": "true"})
    answer = await companion.iq("w:sync:app:state", "set", Node("sync", {}, [asked]))
    collection = answer.children[0].children[0]
    assert collection.attrs["version"] == "1"
    patch = SyncPatch.decode(collection.children[0].children[0].data())
    assert patch.version is not None
    assert patch.version.version == 1
    assert len(patch.mutations) == 1


async def test_settings_of_one_companion_reach_the_other_and_conflicts_are_told(
    wire_network: Network, shop: str, companion: Companion
) -> None:
    second = Companion.of(wire_network)
    await second.link(wire_network, shop)

    async def upload(version: str) -> Node:
        patch = Node("patch", {}, SyncPatch(snapshot_mac=b"mac").encode())
        collection = Node("collection", {"name": "regular", "version": version}, [patch])
        answer = await companion.iq("w:sync:app:state", "set", Node("sync", {}, [collection]))
        return answer.children[0].children[0]

    assert (await upload("0")).attrs["version"] == "1"
    news = await second.node("notification", type="server_sync")
    assert news.children[0].attrs == {"name": "regular", "version": "1"}
    conflict = await upload("0")
    assert conflict.attrs["type"] == "error"
    assert conflict.children[-1].attrs["code"] == "409"
    await second.close()


async def test_a_companion_gets_the_settings_key_again_on_request(
    wire_network: Network, shop: str, companion: Companion
) -> None:
    request = e2e.Message(protocol=e2e.ProtocolMessage(type=e2e.TYPE_KEY_REQUEST)).encode()
    phone = f"{wire_network.get_phone(shop).lid}@lid"
    record = companion._sessions[phone]
    kind, sealed = record.encrypt(companion.local, e2e.pad(request))
    enc = Node("enc", {"v": "2", "type": kind}, sealed)
    companion.send(Node("message", {"id": "REQ", "to": phone, "type": "text", "category": "peer"}, [enc]))
    await companion.node("message", category="peer")


async def test_people_in_touch_learn_of_a_new_device(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    await wire_network.send_message(customer, shop, TextContent("hello"))
    await companion.text("hello")
    second = Companion.of(wire_network)
    await second.link(wire_network, customer)
    news = await companion.node("notification", type="devices")
    assert news.attrs["from"] == f"{wire_network.get_phone(customer).lid}@lid"
    await second.close()


async def test_presence_is_told_to_those_who_asked(wire_network: Network, customer: str, companion: Companion) -> None:
    companion.send(Node("presence", {"type": "available", "name": "Shop"}))
    companion.send(Node("presence", {"type": "subscribe", "to": f"{customer}@s.whatsapp.net"}))
    assert "type" not in (await companion.node("presence")).attrs
    await wire_network.set_online(customer, False)
    assert (await companion.node("presence")).attrs["type"] == "unavailable"
