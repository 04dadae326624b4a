"""Bytes that follow no protocol cost their sender the connection and nobody else anything."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl

import pytest

from tests.whatsim.companion import Companion
from whatsim.model import InvalidNumber, PhoneExists, PhoneNotFound
from whatsim.network import Network
from whatsim.wire.binary import Node

pytestmark = pytest.mark.anyio

UPGRADE = (
    b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def connect(network: Network) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cafile=str(network.ca_path))
    host, _, port = network.wire_address.rpartition(":")
    return await asyncio.open_connection(host, int(port), ssl=context, server_hostname="mmg.whatsapp.net")


async def exchange(network: Network, data: bytes) -> bytes:
    reader, writer = await connect(network)
    writer.write(data)
    try:
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            return head + await reader.readexactly(size)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 20_000,
        UPGRADE + b"\x82\x01a",
        UPGRADE + b"\xf2\x81\0\0\0\0a",
        UPGRADE + b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        UPGRADE + b"\x82\x84\0\0\0\0XX\x06\x03",
        UPGRADE + b"\x82\x84\0\0\0\0WA\x06\x02",
        UPGRADE + b"\x82\x89\0\0\0\0WA\x06\x03\0\0\x02\xff\xff",
    ],
)
async def test_a_malformed_connection_is_cut(wire_network: Network, data: bytes) -> None:
    reader, writer = await connect(wire_network)
    writer.write(data)
    async with asyncio.timeout(10):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
    writer.transport.abort()


@pytest.mark.parametrize(
    "node",
    [
        Node("message"),
        Node("message", {"to": "1@lid", "id": "X"}, [Node("participants", {}, [Node("to", {}, [Node("enc")])])]),
        Node("receipt", {"id": "X"}),
        Node("chatstate"),
        Node("iq", {"id": "1", "xmlns": "encrypt", "type": "set"}, [Node("list")]),
        Node("iq", {"id": "1", "xmlns": "md", "type": "set"}, [Node("link_code_companion_reg")]),
    ],
)
async def test_a_malformed_stanza_costs_the_connection(wire_network: Network, companion: Companion, node: Node) -> None:
    companion.send(node)
    await companion.ended()
    await companion.login()


async def test_unknown_stanzas_are_counted_and_queries_answered(wire_network: Network, companion: Companion) -> None:
    companion.send(Node("novelty"))
    answer = await companion.iq("unheard:of", "get", Node("thing"))
    assert answer.attrs["type"] == "result"
    assert wire_network.stats().unknown == {"novelty": 1, "iq unheard:of get thing": 1}


async def test_an_unreadable_message_is_shown_as_such(
    wire_network: Network, customer: str, companion: Companion
) -> None:
    to = f"{wire_network.get_phone(customer).lid}@lid"
    for kind in ("msg", "pkmsg", "nonsense"):
        enc = Node("enc", {"v": "2", "type": kind}, os.urandom(80))
        companion.send(Node("message", {"id": kind, "to": to, "type": "text"}, [enc]))
        await companion.node("ack", id=kind)
    assert [message.undecryptable for message in wire_network.messages(customer)] == [True] * 3
    assert wire_network.stats().decrypt_failures == 3


async def test_files_are_kept_under_their_hash(wire_network: Network) -> None:
    data = os.urandom(100_000)
    token = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    head = b"POST /mms/image/" + token + b"?auth=x HTTP/1.1\r\nHost: mmg.whatsapp.net\r\n"
    answer = await exchange(wire_network, head + b"Content-Length: 100000\r\n\r\n" + data)
    assert b" 200 " in answer
    path = answer.partition(b'"direct_path": "')[2].partition(b'"')[0]
    assert b"?" in path
    downloaded = await exchange(wire_network, b"GET " + path + b"&hash=x HTTP/1.1\r\nHost: mmg.whatsapp.net\r\n\r\n")
    assert downloaded.endswith(data)
    part = await exchange(wire_network, b"GET " + path + b" HTTP/1.1\r\nRange: bytes=10-19\r\n\r\n")
    assert b" 206 " in part
    assert part.endswith(b"\r\n\r\n" + data[10:20])
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (data[:60_000], data[60_000:]))
    again = await exchange(wire_network, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert b" 200 " in again


@pytest.mark.parametrize(
    "target", [b"/v/t62.7118-24/../../whatsim.db", b"/v/t62.7118-24/" + b"0" * 64 + b".enc", b"/x"]
)
async def test_nothing_else_can_be_downloaded(wire_network: Network, target: bytes) -> None:
    assert b" 404 " in await exchange(wire_network, b"GET " + target + b" HTTP/1.1\r\n\r\n")


async def test_a_file_that_is_not_the_announced_one_is_refused(wire_network: Network) -> None:
    head = b"POST /mms/image/" + base64.urlsafe_b64encode(bytes(32)) + b" HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
    assert b" 400 " in await exchange(wire_network, head + b"abc")


async def test_numbers_are_checked(wire_network: Network, shop: str) -> None:
    for number in ("", "123", "0123456789", "12345678901234567", "12a4567890"):
        with pytest.raises(InvalidNumber):
            await wire_network.create_phone(number)
    with pytest.raises(PhoneExists):
        await wire_network.create_phone(f"+{shop}")
    with pytest.raises(PhoneNotFound):
        wire_network.get_phone("19998887777")
    assert len({(await wire_network.create_phone()).number for _ in range(120)}) == 120


async def test_a_watcher_that_does_not_read_is_let_go(wire_network: Network, shop: str) -> None:
    events = wire_network.subscribe()
    for _ in range(1_001):
        wire_network._core.phones.phone_event("phone_changed", wire_network._core.world.phone(shop))
    assert len([event async for event in events]) == 1_000
