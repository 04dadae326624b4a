"""Handshake, Signal sessions, media encryption and signatures do what both sides rely on."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsim.wire import media, signal
from whatsim.wire.curve import KeyPair, key_pair, sign, verify
from whatsim.wire.errors import WireError
from whatsim.wire.noise import Initiator, Responder, TransportCipher
from whatsim.wire.signal import Bundle, DecryptError, DuplicateMessage, LocalIdentity, SessionRecord, SignedKey


def handshake() -> tuple[tuple[TransportCipher, TransportCipher], tuple[TransportCipher, TransportCipher]]:
    client_static, server_static = key_pair(), key_pair()
    client = Initiator(b"WA\x06\x03", client_static)
    server = Responder(b"WA\x06\x03", server_static, b"chain")
    static, chain = client.read_hello(*server.hello(client.hello()))
    assert (static, chain) == (server_static.public, b"chain")
    assert server.finish(*client.finish(b"payload")) == (client_static.public, b"payload")
    return client.split(), server.split()


def test_both_sides_of_a_handshake_get_the_same_keys() -> None:
    (client_write, client_read), (server_read, server_write) = handshake()
    for text in (b"one", b"two"):
        assert server_read.decrypt(client_write.encrypt(text)) == text
        assert client_read.decrypt(server_write.encrypt(text)) == text


def test_a_changed_or_repeated_frame_is_refused() -> None:
    (client_write, _), (server_read, _) = handshake()
    frame = client_write.encrypt(b"one")
    assert server_read.decrypt(frame) == b"one"
    with pytest.raises(WireError):
        server_read.decrypt(frame)


def test_another_prologue_breaks_the_handshake() -> None:
    client, server = Initiator(b"WA\x06\x03", key_pair()), Responder(b"WA\x06\x02", key_pair(), b"chain")
    with pytest.raises(WireError):
        client.read_hello(*server.hello(client.hello()))


@given(st.binary(max_size=100))
@settings(max_examples=20)
def test_signatures_hold_for_their_message_only(message: bytes) -> None:
    keys = key_pair()
    signature = sign(keys.private, message)
    assert verify(keys.public, message, signature)
    assert not verify(keys.public, message + b"x", signature)
    assert not verify(key_pair().public, message, signature)


@pytest.mark.parametrize("public", [b"", b"\xff" * 32, b"\0" * 32])
def test_unusable_keys_and_signatures_are_just_not_valid(public: bytes) -> None:
    assert not verify(public, b"message", b"\xff" * 64)
    assert not verify(public, b"message", b"")


class Person:
    """One side of a Signal session, whose record goes through its stored form after every step."""

    def __init__(self) -> None:
        self.one_time: dict[int, KeyPair] = {3: key_pair()}
        self.local = LocalIdentity(key_pair(), 7, key_pair(), 1, self.one_time.get)
        self.record = SessionRecord(b"\0" * 32)

    def bundle(self, *, one_time: bool = True) -> Bundle:
        signed = SignedKey(1, self.local.signed_key.public, b"")
        key = self.one_time[3].public if one_time else None
        return Bundle(7, self.local.keys.public, signed, 3 if one_time else None, key)

    def encrypt(self, text: bytes) -> tuple[str, bytes]:
        sealed = self.record.encrypt(self.local, text)
        self._store()
        return sealed

    def decrypt(self, sealed: tuple[str, bytes]) -> bytes:
        kind, data = sealed
        open_message = self.record.decrypt_first if kind == "pkmsg" else self.record.decrypt
        plain = open_message(self.local, data)
        self._store()
        return plain

    def _store(self) -> None:
        self.record = SessionRecord.load(self.record.dump())


@pytest.mark.parametrize("one_time", [True, False])
def test_a_session_carries_messages_both_ways(one_time: bool) -> None:
    alice, bob = Person(), Person()
    alice.record.begin(alice.local, bob.bundle(one_time=one_time))
    for turn in range(5):
        for writer, reader in ((alice, bob), (bob, alice)):
            text = f"{turn}".encode()
            assert reader.decrypt(writer.encrypt(text)) == text


@given(st.randoms(use_true_random=False), st.integers(1, 25))
@settings(max_examples=25, deadline=None)
def test_messages_of_one_turn_may_arrive_in_any_order(order: random.Random, count: int) -> None:
    alice, bob = Person(), Person()
    alice.record.begin(alice.local, bob.bundle())
    bob.decrypt(alice.encrypt(b"first"))
    alice.decrypt(bob.encrypt(b"second"))
    messages = [(number, alice.encrypt(str(number).encode())) for number in range(count)]
    order.shuffle(messages)
    for number, sealed in messages:
        assert bob.decrypt(sealed) == str(number).encode()


def test_a_repeated_message_is_told_apart_from_a_broken_one() -> None:
    alice, bob = Person(), Person()
    alice.record.begin(alice.local, bob.bundle())
    first = alice.encrypt(b"first")
    bob.decrypt(first)
    with pytest.raises(DuplicateMessage):
        bob.decrypt(first)
    kind, data = bob.encrypt(b"answer")
    broken = bytearray(data)
    broken[-1] ^= 1
    with pytest.raises(DecryptError) as caught:
        alice.decrypt((kind, bytes(broken)))
    assert not isinstance(caught.value, DuplicateMessage)
    # A broken message leaves the session as it was.
    assert alice.decrypt((kind, data)) == b"answer"


def test_both_may_begin_at_once() -> None:
    alice, bob = Person(), Person()
    alice.record.begin(alice.local, bob.bundle())
    bob.record.begin(bob.local, alice.bundle())
    from_alice, from_bob = alice.encrypt(b"a"), bob.encrypt(b"b")
    assert bob.decrypt(from_alice) == b"a"
    assert alice.decrypt(from_bob) == b"b"
    for _ in range(3):
        assert bob.decrypt(alice.encrypt(b"more")) == b"more"
        assert alice.decrypt(bob.encrypt(b"more")) == b"more"


def test_a_message_from_far_in_the_future_is_refused() -> None:
    alice, bob = Person(), Person()
    alice.record.begin(alice.local, bob.bundle())
    bob.decrypt(alice.encrypt(b"first"))
    for _ in range(signal.MAX_JUMP + 2):
        last = alice.record.encrypt(alice.local, b"skipped")
    with pytest.raises(DecryptError):
        bob.decrypt(last)


@given(st.binary(max_size=300))
def test_garbage_raises_only_the_wire_error(data: bytes) -> None:
    bob = Person()
    for kind in ("pkmsg", "msg"):
        with pytest.raises(WireError):
            bob.decrypt((kind, data))


@given(st.binary(max_size=5_000), st.sampled_from(sorted(media.KEY_INFO)))
@settings(max_examples=30)
def test_media_is_readable_with_its_key_only(plain: bytes, kind: str) -> None:
    sealed = media.seal(plain, kind)
    assert media.unseal(sealed.data, sealed.media_key, kind) == plain
    with pytest.raises(WireError):
        media.unseal(sealed.data, bytes(32), kind)
    with pytest.raises(WireError):
        media.unseal(sealed.data[:-1], sealed.media_key, kind)
