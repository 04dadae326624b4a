"""Readers of the simulated network: whatever they are given, they return something or refuse it, soon."""

from __future__ import annotations

import zlib

from tests.fuzz.mutation import Mutations
from whatsim.wire import e2e, records
from whatsim.wire.binary import Node, decode, encode
from whatsim.wire.curve import key_pair
from whatsim.wire.errors import WireError
from whatsim.wire.kinds import ContextInfo
from whatsim.wire.media import seal, unseal
from whatsim.wire.noise import Initiator, Responder
from whatsim.wire.signal import Bundle, LocalIdentity, SessionRecord, SignedKey, parse_first

STANZAS = [
    Node("iq", {"id": "1", "xmlns": "w:p", "type": "get", "to": "@s.whatsapp.net"}),
    Node("message", {"id": "3EB0", "to": "100000000000001@lid"}, [Node("enc", {"type": "msg", "v": "2"}, bytes(90))]),
    Node(
        "message",
        {"id": "3EB1", "to": "12025550100@s.whatsapp.net", "type": "text"},
        [
            Node(
                "participants",
                {},
                [Node("to", {"jid": f"12025550100:{n}@s.whatsapp.net"}, [Node("enc", {}, b"x")]) for n in range(1, 5)],
            )
        ],
    ),
    Node("receipt", {"id": "A", "to": "1:3@lid", "type": "read"}, [Node("list", {}, [Node("item", {"id": "B"})] * 3)]),
    Node("presence", {"name": "Toko Ω", "type": "available"}),
    Node("list", {}, [Node("item", {"id": str(number)}) for number in range(300)]),
]


def _local() -> LocalIdentity:
    return LocalIdentity(key_pair(), 7, key_pair(), 1, {3: key_pair()}.get)


def test_stanzas() -> None:
    encoded = [encode(node) for node in STANZAS]
    encoded += [b"\x02" + zlib.compress(data[1:]) for data in encoded]
    inputs = Mutations("stanzas", encoded)
    for data in inputs:
        try:
            node = decode(data)
        except WireError:
            continue
        except Exception as error:
            raise AssertionError(inputs.keep()) from error
        _ = str(node)


def test_message_contents() -> None:
    text = e2e.Message(conversation="hello").encode()
    image = e2e.ImageMessage(url="https://x", mimetype="image/jpeg", caption="c", media_key=bytes(32), direct_path="/v")
    picture = e2e.Message(image=image).encode()
    reply = e2e.Message(extended_text=e2e.ExtendedTextMessage("hi", ContextInfo(stanza_id="A"))).encode()
    wrapped = e2e.Message(ephemeral=e2e.FutureProof(picture)).encode()
    copy = e2e.Message(device_sent=e2e.DeviceSentMessage("1@lid", reply)).encode()
    inputs = Mutations("contents", [text, picture, reply, wrapped, copy])
    for data in inputs:
        try:
            e2e.read(e2e.Message.decode(data))
            e2e.unpad(data)
        except WireError:
            continue
        except Exception as error:
            raise AssertionError(inputs.keep()) from error


def test_handshakes() -> None:
    client = Initiator(b"WA\x06\x03", key_pair())
    hello = records.HandshakeMessage(client_hello=records.ClientHello(client.hello())).encode()
    finish = records.HandshakeMessage(client_finish=records.ClientFinish(bytes(48), bytes(60))).encode()
    login = records.ClientPayload(username=628110000001, device=3).encode()
    inputs = Mutations("handshakes", [hello, finish, login], share=0.4)
    static = key_pair()
    for data in inputs:
        try:
            records.ClientPayload.decode(data)
            message = records.HandshakeMessage.decode(data)
            server = Responder(b"WA\x06\x03", static, b"chain")
            if message.client_hello is not None and message.client_hello.ephemeral:
                server.hello(message.client_hello.ephemeral)
            if message.client_finish is not None and message.client_finish.static:
                server.finish(message.client_finish.static, message.client_finish.payload or b"")
        except WireError:
            continue
        except Exception as error:
            raise AssertionError(inputs.keep()) from error


def test_sealed_messages() -> None:
    """A message that is refused leaves the session as it was: the next good one is read."""
    alice, bob = _local(), _local()
    writer, reader = SessionRecord(bytes(32)), SessionRecord(bytes(32))
    one_time = bob.one_time_key(3)
    assert one_time is not None
    signed = SignedKey(1, bob.signed_key.public, b"")
    writer.begin(alice, Bundle(7, bob.keys.public, signed, 3, one_time.public))
    first = writer.encrypt(alice, b"first")[1]
    reader.decrypt_first(bob, first)
    writer.decrypt(alice, reader.encrypt(bob, b"answer")[1])
    ordinary = writer.encrypt(alice, b"second")[1]
    inputs = Mutations("sealed", [first, ordinary], share=0.6)
    for data in inputs:
        if ordinary in data:
            continue  # whole, perhaps in the envelope of the first message, which is not authenticated
        for read in (reader.decrypt, reader.decrypt_first):
            try:
                read(bob, data)
            except WireError:
                continue
            except Exception as error:
                raise AssertionError(inputs.keep()) from error
    assert reader.decrypt(bob, ordinary) == b"second"
    assert parse_first(first).one_time_id == 3


def test_media_files() -> None:
    sealed = seal(bytes(500), "image")
    inputs = Mutations("media", [sealed.data], share=0.2)
    for data in inputs:
        try:
            plain = unseal(data, sealed.media_key, "image")
        except WireError:
            continue
        except Exception as error:
            raise AssertionError(inputs.keep()) from error
        assert plain == bytes(500)
