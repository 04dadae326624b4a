"""A small linked client in Python, to test the simulated network without any other program."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from whatsim.network import Network
from whatsim.wire import e2e, websocket
from whatsim.wire.binary import Node, decode, encode
from whatsim.wire.curve import KEY_TYPE, KeyPair, key_pair, sign, verify
from whatsim.wire.jid import parse_jid
from whatsim.wire.noise import Initiator, TransportCipher
from whatsim.wire.records import (
    CertificateChain,
    CertificateDetails,
    ClientFinish,
    ClientHello,
    ClientPayload,
    DeviceProps,
    HandshakeMessage,
    PairingData,
    SignedDeviceIdentity,
    SignedDeviceIdentityHmac,
)
from whatsim.wire.signal import Bundle, DecryptError, LocalIdentity, SessionRecord, SignedKey
from whatsim.wire.tokens import dictionary

DEADLINE_S = 10.0


@dataclass
class Received:
    """A decrypted message."""

    id: str
    sender: str
    text: str
    content: e2e.Message


@dataclass
class Companion:
    """Keeps its keys and sessions over reconnections, as a client's store does. `confirm` False withholds receipts."""

    address: str
    ca_path: Path
    root_key_path: Path
    confirm: bool = True
    noise: KeyPair = field(default_factory=key_pair)
    identity: KeyPair = field(default_factory=key_pair)
    signed: KeyPair = field(default_factory=key_pair)
    adv: bytes = field(default_factory=lambda: os.urandom(32))
    jid: str = ""
    lid: str = ""
    nodes: list[Node] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    undecryptable: list[str] = field(default_factory=list)
    device_identity: bytes = b""
    _prekeys: dict[int, KeyPair] = field(default_factory=dict)
    _sessions: dict[str, SessionRecord] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ids: int = 0
    _writer: asyncio.StreamWriter | None = None
    _write: TransportCipher | None = None
    _task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, network: Network) -> Companion:
        return cls(network.wire_address, network.ca_path, network.root_key_path)

    @property
    def local(self) -> LocalIdentity:
        return LocalIdentity(self.identity, 4711, self.signed, 1, self._prekeys.get)

    @property
    def is_connected(self) -> bool:
        return self._task is not None and not self._task.done()

    # --- connection

    async def connect(self) -> None:
        """Open the connection; known devices log in, others register."""
        context = ssl.create_default_context(cafile=str(self.ca_path))
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname="web.whatsapp.com", limit=1 << 22
        )
        writer.write(
            b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        self._writer = writer
        header = b"WA\x06" + bytes((dictionary().version,))
        noise = Initiator(header, self.noise)
        hello = HandshakeMessage(client_hello=ClientHello(noise.hello())).encode()
        self._send_raw(header + len(hello).to_bytes(3, "big") + hello)
        answer = HandshakeMessage.decode(await _read_frame(reader)).server_hello
        assert answer is not None
        assert answer.ephemeral is not None and answer.static is not None and answer.payload is not None
        static, chain = noise.read_hello(answer.ephemeral, answer.static, answer.payload)
        check_chain(CertificateChain.decode(chain), self.root_key_path.read_bytes(), static)
        sealed_static, payload = noise.finish(self._payload().encode())
        finish = HandshakeMessage(client_finish=ClientFinish(sealed_static, payload)).encode()
        self._send_raw(len(finish).to_bytes(3, "big") + finish)
        self._write, read = noise.split()
        self._task = asyncio.create_task(self._read_loop(reader, read))

    def _payload(self) -> ClientPayload:
        if self.jid:
            jid = parse_jid(self.jid)
            return ClientPayload(username=int(jid.user), device=jid.device)
        signature = sign(self.identity.private, KEY_TYPE + self.signed.public)
        pairing = PairingData(
            (4711).to_bytes(4, "big"),
            KEY_TYPE,
            self.identity.public,
            b"\0\0\1",
            self.signed.public,
            signature,
            DeviceProps("Test", 1).encode(),
        )
        return ClientPayload(pairing=pairing)

    async def close(self) -> None:
        """Cut the connection."""
        if self._writer is not None:
            self._writer.transport.abort()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def send(self, node: Node) -> None:
        assert self._write is not None
        data = self._write.encrypt(encode(node))
        self._send_raw(len(data).to_bytes(3, "big") + data)

    def _send_raw(self, payload: bytes) -> None:
        assert self._writer is not None
        plain = websocket.frame(payload)
        size = len(plain) - len(payload)
        # A mask of zeros leaves the payload as it is.
        head = bytearray(plain[:size])
        head[1] |= 0x80
        self._writer.write(bytes(head) + b"\0\0\0\0" + payload)

    async def _read_loop(self, reader: asyncio.StreamReader, cipher: TransportCipher) -> None:
        try:
            while True:
                node = decode(cipher.decrypt(await _read_frame(reader)))
                self._handle(node)
                async with self._changed:
                    self.nodes.append(node)
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError, EOFError):
            pass
        finally:
            async with self._changed:
                self._changed.notify_all()

    def _handle(self, node: Node) -> None:
        is_plain = node.tag == "message" and node.child("plaintext") is not None
        if node.tag == "message" and not is_plain:
            self._decrypt(node)
        elif (is_plain or node.tag in ("notification", "receipt")) and self.confirm:
            attrs = {"class": node.tag, "id": node.attr("id"), "to": node.attr("from")}
            if kind := node.attrs.get("type"):
                attrs["type"] = kind
            self.send(Node("ack", attrs))

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; checked whenever something arrives or the connection ends."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(condition)

    async def node(self, tag: str, **attrs: str) -> Node:
        """Wait for a stanza and return it."""

        def find() -> Node | None:
            for node in self.nodes:
                if node.tag == tag and all(node.attrs.get(name) == value for name, value in attrs.items()):
                    return node
            return None

        await self.wait(lambda: find() is not None)
        found = find()
        assert found is not None
        self.nodes.remove(found)
        return found

    async def ended(self) -> None:
        """Wait until the server has closed the connection."""
        assert self._task is not None
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([self._task])

    async def iq(self, namespace: str, kind: str, *children: Node, **more: str) -> Node:
        """Ask the server and return its answer; `more` are further attributes."""
        self._ids += 1
        query_id = f"q{self._ids}"
        attrs = {"id": query_id, "xmlns": namespace, "type": kind, "to": "@s.whatsapp.net", **more}
        self.send(Node("iq", attrs, list(children)))
        return await self.node("iq", id=query_id)

    # --- linking and login

    async def link(self, network: Network, number: str) -> None:
        """Link to a phone by QR code, reconnect and be ready for messages."""
        await self.connect()
        scan = asyncio.create_task(network.link_qr(number, await self.qr()))
        await self.confirm_pairing()
        await scan
        await self.node("stream:error", code="515")
        await self.close()
        await self.login()
        # The phone's greeting, with its app-state key.
        await self.node("message", category="peer")

    async def qr(self) -> str:
        """Wait for the server's codes and return the first as its text."""
        offer = (await self.node("iq", type="set")).child("pair-device")
        assert offer is not None
        keys = (self.noise.public, self.identity.public, self.adv)
        parts = [offer.children[0].data().decode(), *(base64.b64encode(key).decode() for key in keys), "1"]
        return "https://wa.me/settings/linked_devices#" + ",".join(parts)

    async def confirm_pairing(self, *, answer: bool = True) -> None:
        """Check what the phone has signed, keep it, and (unless the client dies first) sign in turn."""
        await self.wait(lambda: any(node.child("pair-success") for node in self.nodes))
        node = next(node for node in self.nodes if node.child("pair-success"))
        self.nodes.remove(node)
        success = node.child("pair-success")
        assert success is not None
        envelope = SignedDeviceIdentityHmac.decode(success.data("device-identity"))
        assert envelope.details is not None
        assert envelope.hmac == hmac.digest(self.adv, envelope.details, hashlib.sha256)
        signed = SignedDeviceIdentity.decode(envelope.details)
        assert signed.details and signed.account_signature_key and signed.account_signature
        message = b"\x06\x00" + signed.details + self.identity.public
        assert verify(signed.account_signature_key, message, signed.account_signature)
        signed.device_signature = sign(
            self.identity.private, b"\x06\x01" + signed.details + self.identity.public + signed.account_signature_key
        )
        self.device_identity = signed.encode()
        device = success.child("device")
        assert device is not None
        self.jid, self.lid = device.attr("jid"), device.attr("lid")
        if answer:
            identity = Node("device-identity", {}, self.device_identity)
            attrs = {"to": "@s.whatsapp.net", "type": "result", "id": node.attr("id")}
            self.send(Node("iq", attrs, [Node("pair-device-sign", {}, [identity])]))

    async def login(self) -> None:
        """Connect as a known device, upload keys if there are none, and ask for what waits."""
        await self.connect()
        await self.node("success")
        count = (await self.iq("encrypt", "get", Node("count"))).child("count")
        if count is None or int(count.attr("value")) < 5:
            await self.upload_prekeys(20)
        await self.iq("passive", "set", Node("active"))
        await self.wait(lambda: any(node.child("offline") for node in self.nodes if node.tag == "ib"))
        self.nodes[:] = [node for node in self.nodes if node.tag != "ib"]

    async def upload_prekeys(self, count: int, first: int = 0) -> None:
        """Make and upload keys; with `first`, upload those from that number on once more."""
        again = first > 0
        first = first or max(self._prekeys, default=0) + 1
        if not again:
            self._prekeys |= {number: key_pair() for number in range(first, first + count)}
        keys = [
            Node(
                "key", {}, [Node("id", {}, number.to_bytes(3, "big")), Node("value", {}, self._prekeys[number].public)]
            )
            for number in range(first, first + count)
        ]
        signature = sign(self.identity.private, KEY_TYPE + self.signed.public)
        answer = await self.iq(
            "encrypt",
            "set",
            Node("registration", {}, (4711).to_bytes(4, "big")),
            Node("type", {}, KEY_TYPE),
            Node("identity", {}, self.identity.public),
            Node("list", {}, keys),
            Node(
                "skey",
                {},
                [
                    Node("id", {}, b"\0\0\1"),
                    Node("value", {}, self.signed.public),
                    Node("signature", {}, signature),
                ],
            ),
        )
        assert answer.attrs["type"] == "result"

    # --- messages

    async def send_text(self, to: str, text: str, message_id: str) -> Node:
        """Encrypt for the phone with this address and return the server's acknowledgement."""
        self.send(await self.encrypted(to, text, message_id))
        return await self.node("ack", id=message_id)

    async def encrypted(self, to: str, text: str, message_id: str) -> Node:
        """Return the stanza of a text for the phone with this address."""
        record = self._sessions.get(to)
        if record is None:
            record = self._sessions[to] = SessionRecord(b"")
            record.begin(self.local, await self.fetch_bundle(to))
        kind, sealed = record.encrypt(self.local, e2e.pad(e2e.Message(conversation=text).encode()))
        enc = Node("enc", {"v": "2", "type": kind}, sealed)
        participants = Node("participants", {}, [Node("to", {"jid": to}, [enc])])
        return Node("message", {"id": message_id, "to": to, "type": "text"}, [participants])

    async def fetch_bundle(self, jid: str) -> Bundle:
        answer = await self.iq("encrypt", "get", Node("key", {}, [Node("user", {"jid": jid})]))
        users = answer.child("list")
        assert users is not None
        return read_bundle(users.children[0])

    def accept_retry(self, receipt: Node, to: str) -> None:
        """Begin a new session with the keys of a retry receipt."""
        keys = receipt.child("keys")
        assert keys is not None
        self._sessions[to].begin(self.local, read_bundle(Node("user", {}, [*receipt.children, *keys.children])))

    def _decrypt(self, node: Node) -> None:
        enc = node.child("enc")
        assert enc is not None
        sender = node.attr("from")
        record = self._sessions.get(sender) or SessionRecord(b"")
        message_id = node.attr("id")
        try:
            if enc.attr("type") == "pkmsg":
                plain = record.decrypt_first(self.local, enc.data())
            else:
                plain = record.decrypt(self.local, enc.data())
        except DecryptError:
            self.undecryptable.append(message_id)
            return
        self._sessions[sender] = record
        content = e2e.Message.decode(e2e.unpad(plain))
        if content.device_sent is not None and content.device_sent.content is not None:
            content = e2e.Message.decode(content.device_sent.content)
        if node.attrs.get("category") != "peer":
            self.received.append(Received(message_id, sender, e2e.read(content).body, content))
        if self.confirm:
            self.send(Node("receipt", {"id": message_id, "to": sender}))

    async def text(self, text: str) -> Received:
        """Wait for a message with this text."""
        await self.wait(lambda: any(message.text == text for message in self.received))
        return next(message for message in self.received if message.text == text)


def read_bundle(user: Node) -> Bundle:
    """Return the keys inside a `<user>`."""
    signed, one_time = user.child("skey"), user.child("key")
    assert signed is not None
    return Bundle(
        int.from_bytes(user.data("registration"), "big"),
        user.data("identity"),
        SignedKey(int.from_bytes(signed.data("id"), "big"), signed.data("value"), signed.data("signature")),
        int.from_bytes(one_time.data("id"), "big") if one_time is not None else None,
        one_time.data("value") if one_time is not None else None,
    )


def check_chain(chain: CertificateChain, root: bytes, static: bytes) -> None:
    """Check the server's certificates as clients do."""
    inner, leaf = chain.intermediate, chain.leaf
    assert inner is not None and leaf is not None
    assert inner.details and inner.signature and leaf.details and leaf.signature
    assert verify(root, inner.details, inner.signature)
    inner_details, leaf_details = CertificateDetails.decode(inner.details), CertificateDetails.decode(leaf.details)
    assert inner_details.key is not None
    assert inner_details.issuer_serial == 0
    assert verify(inner_details.key, leaf.details, leaf.signature)
    assert leaf_details.issuer_serial == inner_details.serial
    assert leaf_details.key == static


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    buffer = bytearray()
    while len(buffer) < 3 or len(buffer) < 3 + int.from_bytes(buffer[:3], "big"):
        opcode, payload = await _read_websocket(reader)
        if opcode == websocket.CLOSE:
            raise EOFError
        buffer += payload
    size = 3 + int.from_bytes(buffer[:3], "big")
    # The server writes one stanza into one WebSocket message.
    assert len(buffer) == size
    return bytes(buffer[3:])


async def _read_websocket(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 15, await reader.readexactly(size)
