"""A server of the simulated network under clients that say anything: it refuses or ends them, and goes on serving."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fuzz.mutation import Mutations
from tests.fuzz.stanzas import Stanzas
from tests.fuzz.test_readers import STANZAS
from tests.whatsim.companion import Companion
from whatsim.model import TextContent
from whatsim.network import Network, NetworkConfig
from whatsim.server.connection import Connection, Stage
from whatsim.server.core import Core
from whatsim.server.entities import Device
from whatsim.server.queries import HANDLERS
from whatsim.wire.binary import Node, decode, encode
from whatsim.wire.errors import WireError
from whatsim.wire.noise import TransportCipher

pytestmark = pytest.mark.anyio

_UPGRADE = (
    b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_UPLOAD = b"POST /mms/image/AAAA HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
_CHUNKED = b"POST /mms/image/AAAA HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"


class Socket(asyncio.Transport):
    """The far end of a connection in this process: what is written goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    opened = await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))
    yield opened
    await opened.close()


def _masked(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x82, 0x80 | size)) if size < 126 else b"\x82\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + payload


async def test_bytes_before_a_login(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    core = network._core
    hello = b"WA\x06\x03" + (36).to_bytes(3, "big") + b"\x12\x22\x0a\x20" + bytes(range(32))
    routed = b"ED\0\1\0\0\3abc" + hello
    streams = [_UPGRADE + _masked(hello), _UPGRADE + _masked(routed), _UPGRADE, _UPLOAD, _CHUNKED]
    inputs = Mutations("bytes", streams)
    with caplog.at_level(logging.ERROR):
        for data in inputs:
            connection = Connection(core)
            connection.connection_made(Socket())
            half = len(data) // 2
            connection.data_received(data[:half])
            connection.data_received(data[half:])
            connection.connection_lost(None)
            if inputs.count % 64 == 0:
                await asyncio.sleep(0)
            assert not caplog.records, inputs.keep()
    await _serves(network)


@pytest.mark.parametrize("form", ["changed", "made"])
async def test_stanzas_of_a_linked_client(network: Network, caplog: pytest.LogCaptureFixture, form: str) -> None:
    """Those of a real conversation with other bytes, and those made of words that the server knows."""
    device, corpus = await _conversation(network)
    core = network._core
    inputs = Mutations(form, corpus)
    phone, peer = list(core.world.by_id.values())[:2]
    addresses = [*phone.all_jids("lid"), *peer.all_jids("s.whatsapp.net"), peer.jid("lid")]
    made = Stanzas(random.Random(f"{inputs.seed}"), addresses)
    connection = _logged_in(core, device)
    with caplog.at_level(logging.ERROR):
        for data in inputs:
            try:
                node = decode(data) if form == "changed" else made.make()
                core.dispatch(connection, node)
            except WireError:
                continue
            except Exception as error:
                raise AssertionError(f"{inputs.keep()}: {node}") from error
            if not connection.is_open or device.id not in core.world.devices:
                connection = _logged_in(core, device)
            if inputs.count % 16 == 0:
                await asyncio.sleep(0)
            assert not caplog.records, f"{inputs.keep()}: {node}"
        await core.store.durable()
    assert not caplog.records, inputs.keep()
    await _serves(network)


async def _conversation(network: Network) -> tuple[Device, list[bytes]]:
    """Link a client and let it talk; return its device and every stanza that it has sent."""
    core = network._core
    corpus: list[bytes] = []
    dispatch = core.dispatch

    def note(connection: Connection, node: Node) -> None:
        corpus.append(encode(node))
        dispatch(connection, node)

    core.dispatch = note  # type: ignore[method-assign]
    shop = (await network.create_phone(name="Shop")).number
    customer = (await network.create_phone(name="Budi")).number
    client = Companion.of(network)
    await client.link(network, shop)
    await network.send_message(customer, shop, TextContent("hello"))
    await client.text("hello")
    await client.send_text(f"{network.get_phone(customer).lid}@lid", "hi", "ID1")
    await client.close()
    core.dispatch = dispatch  # type: ignore[method-assign]
    (device,) = core.world.phone(shop).devices.values()
    return device, [*corpus, *(encode(node) for node in STANZAS), *(encode(_query(space)) for space in HANDLERS)]


def _query(namespace: str) -> Node:
    to = {"jid": "12025550100@s.whatsapp.net", "name": "x", "id": "1", "type": "image", "version": "0"}
    children = [Node("item", to, b"\0\0\1"), Node("query", to, [Node("user", to, [Node("key", to, bytes(32))])])]
    return Node("iq", {"id": "Q", "xmlns": namespace, "type": "set", "to": "@s.whatsapp.net"}, children)


def _logged_in(core: Core, device: Device) -> Connection:
    """Return an open connection of the device, without the handshake that leads to one."""
    connection = Connection(core)
    connection.connection_made(Socket())
    connection._stage, connection._write = Stage.OPEN, TransportCipher(bytes(32))
    core.world.devices[device.id] = device
    device.phone.devices[device.device] = device
    device.epoch += 1
    device.connection, connection.device, connection.epoch = connection, device, device.epoch
    connection.active = True
    return connection


async def _serves(network: Network) -> None:
    """Another client is linked and written to."""
    shop, customer = [(await network.create_phone()).number for _ in range(2)]
    client = Companion.of(network)
    await client.link(network, shop)
    await network.send_message(customer, shop, TextContent("still here"))
    await client.text("still here")
    await client.close()
