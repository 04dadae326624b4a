"""Keys, handshake, media, sessions, app state: what our code seals whatsmeow opens, and the other way round."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.interop.wirecheck import LibraryError, Wirecheck, b64, unb64
from whatsim.server import delivery
from whatsim.wire import e2e
from whatsim.wire.binary import Node
from whatsim.wire.curve import KEY_TYPE, KeyPair, hkdf, key_pair, sign, verify
from whatsim.wire.media import KEY_INFO, Sealed, seal, unseal
from whatsim.wire.noise import Responder
from whatsim.wire.signal import Bundle, LocalIdentity, SessionRecord, SignedKey

pytestmark = pytest.mark.engine


@given(st.binary(min_size=1, max_size=64), st.none() | st.binary(min_size=32, max_size=32), st.binary(max_size=40))
@settings(max_examples=50, deadline=None)
def test_keys_are_derived_alike(library: Wirecheck, key: bytes, salt: bytes | None, info: bytes) -> None:
    for length in (32, 64, 80, 112, 160):
        asked = {"key": b64(key), "salt": b64(salt or b"") or None, "info": b64(info), "length": length}
        assert unb64(library.ask("hkdf", asked)) == hkdf(key, salt, info, length)


@given(st.binary(max_size=100))
@settings(max_examples=25, deadline=None)
def test_signatures_hold_on_both_sides(library: Wirecheck, message: bytes) -> None:
    keys = key_pair()
    ours = sign(keys.private, message)
    asked = {"public": b64(keys.public), "message": b64(message), "signature": b64(ours)}
    assert library.ask("signature.verify", asked) is True
    assert library.ask("signature.verify", {**asked, "message": b64(message + b"x")}) is False
    theirs = unb64(library.ask("signature.sign", {"private": b64(keys.private), "message": b64(message)}))
    assert verify(keys.public, message, theirs)


@given(st.binary(max_size=200), st.binary(max_size=200))
@settings(max_examples=25, deadline=None)
def test_a_handshake_ends_with_the_same_keys(library: Wirecheck, greeting: bytes, answer: bytes) -> None:
    header = b"WA\x06\x03"
    static = key_pair()
    server = Responder(header, static, greeting)
    hello = unb64(library.ask("noise.hello", {"header": b64(header)}))
    ephemeral, sealed_static, payload = server.hello(hello)
    asked = {"ephemeral": b64(ephemeral), "static": b64(sealed_static), "payload": b64(payload), "client": b64(answer)}
    client = {name: unb64(value) for name, value in library.ask("noise.finish", asked).items()}
    assert (client["static"], client["payload"]) == (static.public, greeting)
    assert server.finish(client["sealed_static"], client["sealed_payload"]) == (client["own_static"], answer)
    assert server._state.decrypt(client["after"]) == b"after"


@pytest.mark.parametrize("kind", sorted(KEY_INFO))
@given(st.binary(max_size=5_000))
@settings(max_examples=15, deadline=None)
def test_media_files_are_opened_by_the_other_side(library: Wirecheck, kind: str, plain: bytes) -> None:
    text = KEY_INFO[kind].decode()
    answer = library.ask("media.seal", {"kind": text, "data": b64(plain)})
    theirs = {name: unb64(value) for name, value in answer.items()}
    assert unseal(theirs["data"], theirs["key"], kind) == plain
    ours = seal(plain, kind)
    assert unb64(library.ask("media.open", _media(text, ours))) == plain
    changed = ours.data[:-1] + bytes((ours.data[-1] ^ 1,))
    broken = dataclasses.replace(ours, data=changed, file_enc_sha256=hashlib.sha256(changed).digest())
    with pytest.raises(LibraryError):
        library.ask("media.open", _media(text, broken))


def _media(kind: str, sealed: Sealed) -> dict[str, str]:
    return {
        "kind": kind,
        "data": b64(sealed.data),
        "key": b64(sealed.media_key),
        "sha256": b64(sealed.file_sha256),
        "encsha256": b64(sealed.file_enc_sha256),
    }


class Peer:
    """Our side of a session with the library's device; every peer has an address of its own."""

    def __init__(self, library: Wirecheck) -> None:
        self.address = f"{int.from_bytes(os.urandom(6), 'big') + 10**14}:7@lid"
        self._library = library
        self._one_time: dict[int, KeyPair] = {9: key_pair()}
        self.local = LocalIdentity(key_pair(), 4711, key_pair(), 3, self._one_time.get)
        self.record = SessionRecord(b"\0" * 32)

    def begin(self) -> None:
        """Begin a session with keys of the library's device."""
        keys = self._library.ask("signal.bundle")
        one_time = keys["OneTime"]
        signed = SignedKey(keys["SignedID"], unb64(keys["SignedKey"]), unb64(keys["Signature"]))
        identity = unb64(keys["Identity"])
        assert verify(identity, KEY_TYPE + signed.public, signed.signature)
        self.record.begin(
            self.local, Bundle(keys["RegistrationID"], identity, signed, one_time["ID"], unb64(one_time["Key"]))
        )

    def to_library(self, plain: bytes) -> bytes:
        """Encrypt, and return what the library makes of it."""
        kind, data = self.record.encrypt(self.local, e2e.pad(plain))
        return unb64(self._library.ask("signal.decrypt", {"peer": self.address, "kind": kind, "data": b64(data)}))

    def from_library(self, plain: bytes, *, first: bool = False) -> bytes:
        """Have the library encrypt, and return what we make of it."""
        asked: dict[str, Any] = {"peer": self.address, "plain": b64(plain)}
        if first:
            asked["bundle"] = self._bundle()
        sealed = self._library.ask("signal.encrypt", asked)
        read = self.record.decrypt_first if sealed["kind"] == "pkmsg" else self.record.decrypt
        return e2e.unpad(read(self.local, unb64(sealed["data"])))

    def _bundle(self) -> dict[str, Any]:
        signed = self.local.signed_key.public
        return {
            "registrationid": self.local.registration_id,
            "identity": b64(self.local.keys.public),
            "signedid": self.local.signed_key_id,
            "signedkey": b64(signed),
            "signature": b64(sign(self.local.keys.private, KEY_TYPE + signed)),
            "onetime": {"id": 9, "key": b64(self._one_time[9].public)},
        }


@pytest.mark.parametrize("we_begin", [True, False])
@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=80)), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_a_signal_session_carries_messages_both_ways(
    library: Wirecheck, we_begin: bool, turns: list[tuple[bool, bytes]]
) -> None:
    peer = Peer(library)
    if we_begin:
        peer.begin()
        assert peer.to_library(b"first") == b"first"
    else:
        assert peer.from_library(b"first", first=True) == b"first"
    for ours, text in turns:
        assert (peer.to_library(text) if ours else peer.from_library(text)) == text
        peer.record = SessionRecord.load(peer.record.dump())


def test_skipped_and_late_messages_are_read_by_both(library: Wirecheck) -> None:
    peer = Peer(library)
    peer.begin()
    peer.to_library(b"first")
    peer.from_library(b"answer")
    late = [peer.record.encrypt(peer.local, e2e.pad(f"{number}".encode())) for number in range(5)]
    for number in (4, 0, 2, 1, 3):
        kind, data = late[number]
        asked = {"peer": peer.address, "kind": kind, "data": b64(data)}
        assert unb64(library.ask("signal.decrypt", asked)) == f"{number}".encode()


@pytest.mark.parametrize("kind", ["pkmsg", "msg"])
def test_a_message_that_was_broken_is_refused_by_the_library_and_the_whole_one_is_read(
    library: Wirecheck, kind: str
) -> None:
    peer = Peer(library)
    peer.begin()
    peer.to_library(b"first")
    if kind == "msg":
        peer.from_library(b"answer")
    sealed = peer.record.encrypt(peer.local, e2e.pad(b"text"))
    assert sealed[0] == kind
    broken = Node("enc", {}, sealed[1])
    delivery._break(broken)
    with pytest.raises(LibraryError):
        library.ask("signal.decrypt", {"peer": peer.address, "kind": kind, "data": b64(broken.data())})
    asked = {"peer": peer.address, "kind": kind, "data": b64(sealed[1])}
    assert unb64(library.ask("signal.decrypt", asked)) == b"text"
