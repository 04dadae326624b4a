"""A phone links companions by QR and by code, refuses what it must, and unlinks them."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.whatsim.companion import Companion
from whatsim.model import DeviceNotFound, LinkRefused
from whatsim.network import Network
from whatsim.server import linking
from whatsim.server.entities import MAX_COMPANIONS
from whatsim.wire.binary import Node
from whatsim.wire.curve import agree, hkdf, key_pair

pytestmark = pytest.mark.anyio


async def test_a_linked_device_is_listed_and_connected(wire_network: Network, shop: str, companion: Companion) -> None:
    (device,) = wire_network.get_phone(shop).devices
    assert (device.id, device.platform, device.connected) == (1, "Chrome (Test)", True)
    assert companion.jid == f"{shop}:1@s.whatsapp.net"


async def test_an_unknown_or_used_code_is_refused(wire_network: Network, shop: str) -> None:
    with pytest.raises(LinkRefused) as caught:
        await wire_network.link_qr(shop, "nonsense")
    assert caught.value.reason == "unknown_code"
    with pytest.raises(LinkRefused) as caught:
        await wire_network.link_qr(shop, "2@gone,a,b,c,1")
    assert caught.value.reason == "expired"


async def test_a_code_with_other_keys_is_refused(wire_network: Network, shop: str) -> None:
    client, other = Companion.of(wire_network), Companion.of(wire_network)
    await client.connect()
    other.nodes = client.nodes
    await client.wait(lambda: bool(client.nodes))
    with pytest.raises(LinkRefused) as caught:
        await wire_network.link_qr(shop, await other.qr())
    assert caught.value.reason == "key_mismatch"
    await client.close()


async def test_a_client_that_leaves_ends_the_scan(
    wire_network: Network, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "RETURN_S", 0.05)
    client = Companion.of(wire_network)
    await client.connect()
    scan = asyncio.create_task(wire_network.link_qr(shop, await client.qr()))
    await client.confirm_pairing(answer=False)
    await client.close()
    with pytest.raises(LinkRefused) as caught:
        await scan
    assert caught.value.reason == "not_finished"
    assert wire_network.get_phone(shop).devices == ()


async def test_a_client_whose_confirmation_was_lost_is_linked_by_its_login(wire_network: Network, shop: str) -> None:
    client = Companion.of(wire_network)
    await client.connect()
    scan = asyncio.create_task(wire_network.link_qr(shop, await client.qr()))
    await client.confirm_pairing(answer=False)
    await client.close()
    await client.login()
    assert (await scan).id == 1, "the phone has waited for it"
    assert [device.connected for device in wire_network.get_phone(shop).devices] == [True]
    await client.close()


async def test_a_phone_takes_only_so_many_devices(wire_network: Network, shop: str) -> None:
    clients = [Companion.of(wire_network) for _ in range(MAX_COMPANIONS)]
    for client in clients:
        await client.link(wire_network, shop)
    one_more = Companion.of(wire_network)
    await one_more.connect()
    with pytest.raises(LinkRefused) as caught:
        await wire_network.link_qr(shop, await one_more.qr())
    assert caught.value.reason == "too_many_devices"
    for client in [*clients, one_more]:
        await client.close()


async def test_an_unlinked_device_is_told_and_locked_out(
    wire_network: Network, shop: str, companion: Companion
) -> None:
    await wire_network.unlink(shop, 1)
    error = await companion.node("stream:error", code="401")
    assert error.children[0].attrs == {"type": "device_removed"}
    await companion.ended()
    await companion.connect()
    assert (await companion.node("failure")).attrs["reason"] == "401"
    with pytest.raises(DeviceNotFound):
        await wire_network.unlink(shop, 1)


async def test_a_device_that_logs_out_is_gone(wire_network: Network, shop: str, companion: Companion) -> None:
    await companion.iq("md", "set", Node("remove-companion-device", {"jid": companion.jid, "reason": "user_initiated"}))
    await companion.ended()
    assert wire_network.get_phone(shop).devices == ()


async def test_the_other_devices_learn_of_a_new_one(wire_network: Network, shop: str, companion: Companion) -> None:
    second = Companion.of(wire_network)
    await second.link(wire_network, shop)
    news = await companion.node("notification", type="account_sync")
    devices = news.children[0]
    assert [device.attrs["jid"] for device in devices.children] == [
        f"{shop}@s.whatsapp.net",
        companion.jid,
        second.jid,
    ]
    await second.close()


@pytest.mark.parametrize("typed", ["ABCD-1234", "abcd1234"])
async def test_a_device_is_linked_by_code(wire_network: Network, shop: str, typed: str) -> None:
    client = Companion.of(wire_network)
    await client.connect()
    ephemeral = await _ask_for_code(client, shop, "ABCD1234")
    link = asyncio.create_task(wire_network.link_code(shop, typed))
    await _finish_code(client, shop, "ABCD1234", ephemeral)
    await client.confirm_pairing()
    assert (await link).id == 1
    await client.close()
    await client.login()
    await client.close()


async def test_a_wrong_code_is_refused(wire_network: Network, shop: str) -> None:
    client = Companion.of(wire_network)
    await client.connect()
    ephemeral = await _ask_for_code(client, shop, "ABCD1234")
    link = asyncio.create_task(wire_network.link_code(shop, "ABCD1235"))
    await _finish_code(client, shop, "ABCD1234", ephemeral)
    with pytest.raises(LinkRefused) as caught:
        await link
    assert caught.value.reason == "wrong_code"
    await client.close()


async def test_no_code_is_given_for_an_unknown_number(wire_network: Network) -> None:
    client = Companion.of(wire_network)
    await client.connect()
    hello = Node(
        "link_code_companion_reg",
        {"jid": "19998887777@s.whatsapp.net", "stage": "companion_hello"},
        [Node("link_code_pairing_wrapped_companion_ephemeral_pub", {}, bytes(80))],
    )
    assert (await client.iq("md", "set", hello)).attrs["type"] == "error"
    await client.close()


def _wrap(code: str, salt: bytes, iv: bytes, data: bytes) -> bytes:
    key = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, 2 << 16, 32)
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)


async def _ask_for_code(client: Companion, number: str, code: str) -> bytes:
    ephemeral = key_pair()
    salt, iv = os.urandom(32), os.urandom(16)
    hello = Node(
        "link_code_companion_reg",
        {"jid": f"{number}@s.whatsapp.net", "stage": "companion_hello"},
        [
            Node(
                "link_code_pairing_wrapped_companion_ephemeral_pub",
                {},
                salt + iv + _wrap(code, salt, iv, ephemeral.public),
            )
        ],
    )
    assert (await client.iq("md", "set", hello)).attrs["type"] == "result"
    return ephemeral.private


async def _finish_code(client: Companion, number: str, code: str, ephemeral: bytes) -> None:
    (hello,) = (await client.node("notification", type="link_code_companion_reg")).children
    wrapped = hello.data("link_code_pairing_wrapped_primary_ephemeral_pub")
    primary_ephemeral = _wrap(code, wrapped[:32], wrapped[32:48], wrapped[48:])
    primary_identity = hello.data("primary_identity_pub")
    shared = agree(ephemeral, primary_ephemeral)
    secret, salt, nonce = os.urandom(32), os.urandom(32), os.urandom(12)
    key = hkdf(shared, salt, b"link_code_pairing_key_bundle_encryption_key", 32)
    bundle = AESGCM(key).encrypt(nonce, client.identity.public + primary_identity + secret, None)
    identity_shared = agree(client.identity.private, primary_identity)
    client.adv = hkdf(shared + identity_shared + secret, None, b"adv_secret", 32)
    finish = Node(
        "link_code_companion_reg",
        {"jid": f"{number}@s.whatsapp.net", "stage": "companion_finish"},
        [
            Node("link_code_pairing_wrapped_key_bundle", {}, salt + nonce + bundle),
            Node("companion_identity_public", {}, client.identity.public),
            Node("link_code_pairing_ref", {}, hello.data("link_code_pairing_ref")),
        ],
    )
    assert (await client.iq("md", "set", finish)).attrs["type"] == "result"
