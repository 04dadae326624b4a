"""Sender keys, votes and shared settings: sealed by one side and opened by the other, in both directions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blazz.messaging.kinds import message_secret as product
from tests.interop.wirecheck import LibraryError, Wirecheck, b64, unb64
from whatsim.wire import message_secret as simulated
from whatsim.wire.actions import ActionValue, Pin, PushNameSetting
from whatsim.wire.e2e import pad, unpad
from whatsim.wire.records import SyncPatch, SyncVersion
from whatsim.wire.sender_keys import SenderKeys
from whatsim.wire.signal import DecryptError
from whatsim.wire.syncd import Collection, Keys, Setting

pytestmark = pytest.mark.engine

OWN = "100000000000001@lid"


def _address() -> str:
    return f"{int.from_bytes(os.urandom(6), 'big') + 10**14}@lid"


def _group() -> str:
    return f"1203630{int.from_bytes(os.urandom(5), 'big') + 10**11}@g.us"


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_group_messages_with_our_sender_key_are_read_by_the_library(library: Wirecheck, texts: list[bytes]) -> None:
    keys, group, peer = SenderKeys(), _group(), _address()
    distribution = b64(keys.distribution())
    sealed = [keys.encrypt(pad(text)) for text in texts]
    # The last comes first: the library keeps the keys of those that it skipped.
    for at in (len(texts) - 1, *range(len(texts) - 1)):
        asked = {"group": group, "peer": peer, "distribution": distribution, "data": b64(sealed[at])}
        assert unb64(library.ask("sender_key.decrypt", asked)) == texts[at]
        distribution = ""
    broken = sealed[0][:-1] + bytes((sealed[0][-1] ^ 1,))
    with pytest.raises(LibraryError):
        library.ask("sender_key.decrypt", {"group": group, "peer": peer, "data": b64(broken)})


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_group_messages_with_the_librarys_sender_key_are_read_by_us(library: Wirecheck, texts: list[bytes]) -> None:
    keys, group = SenderKeys(), _group()
    for text in texts:
        sent = library.ask("sender_key.encrypt", {"group": group, "plain": b64(text)})
        keys.learn(unb64(sent["distribution"]))
        assert unpad(keys.decrypt(unb64(sent["data"]))) == text
        keys = SenderKeys.load(keys.dump())
    with pytest.raises(DecryptError):
        keys.decrypt(unb64(sent["data"])[:-1] + b"\0")


def _seal_of_network(secret: bytes, poll: str, author: str, voter: str, plain: bytes) -> tuple[bytes, bytes]:
    return simulated.seal(secret, simulated.POLL_VOTE, poll, author, voter, plain)


def _seal_of_product(secret: bytes, poll: str, author: str, voter: str, plain: bytes) -> tuple[bytes, bytes]:
    return product.encrypt(secret, product.Use(product.POLL_VOTE, poll, author, voter), plain)


def _open_of_network(secret: bytes, poll: str, author: str, voter: str, sealed: tuple[bytes, bytes]) -> bytes | None:
    return simulated.unseal(secret, simulated.POLL_VOTE, poll, author, voter, *sealed)


def _open_of_product(secret: bytes, poll: str, author: str, voter: str, sealed: tuple[bytes, bytes]) -> bytes | None:
    return product.decrypt(secret, product.Use(product.POLL_VOTE, poll, author, voter), *sealed)


def _vote(*options: str) -> tuple[list[bytes], bytes]:
    hashes = [hashlib.sha256(option.encode()).digest() for option in options]
    return hashes, b"".join(b"\x0a\x20" + digest for digest in hashes)


@pytest.mark.parametrize("seal", [_seal_of_network, _seal_of_product], ids=["network", "product"])
def test_a_vote_that_we_seal_is_read_by_the_library(
    library: Wirecheck, seal: Callable[[bytes, str, str, str, bytes], tuple[bytes, bytes]]
) -> None:
    secret, poll, author, voter = os.urandom(32), os.urandom(8).hex(), _address(), _address()
    hashes, plain = _vote("Red", "Blue")
    payload, iv = seal(secret, poll, author, voter, plain)
    named = {"chat": author, "author": author, "id": poll}
    library.ask("poll.remember", {**named, "secret": b64(secret)})
    asked = {**named, "voter": voter, "data": b64(payload), "iv": b64(iv)}
    assert [unb64(digest) for digest in library.ask("poll.decrypt", asked)] == hashes
    with pytest.raises(LibraryError):
        library.ask("poll.decrypt", {**asked, "voter": _address()})


@pytest.mark.parametrize("unseal", [_open_of_network, _open_of_product], ids=["network", "product"])
def test_a_vote_of_the_library_is_read_by_us(
    library: Wirecheck, unseal: Callable[[bytes, str, str, str, tuple[bytes, bytes]], bytes | None]
) -> None:
    secret, poll, author = os.urandom(32), os.urandom(8).hex(), _address()
    hashes, plain = _vote("M")
    named = {"chat": author, "author": author, "id": poll}
    library.ask("poll.remember", {**named, "secret": b64(secret)})
    cast = library.ask("poll.encrypt", {**named, "options": [b64(digest) for digest in hashes]})
    sealed = unb64(cast["data"]), unb64(cast["iv"])
    assert cast["voter"] == OWN
    assert unseal(secret, poll, author, OWN, sealed) == plain
    assert unseal(secret, poll, author, _address(), sealed) is None


class Phone:
    """A collection of shared settings under a key that the library is told."""

    def __init__(self, library: Wirecheck, name: str) -> None:
        self._library = library
        self.secret, self.key_id = os.urandom(32), os.urandom(6)
        self.collection = Collection(name, Keys.of(self.secret), self.key_id)
        self.patches: list[bytes] = []

    def write(self, *written: Setting) -> None:
        """Write a patch as the phone does."""
        self.add(self.collection.write(written).encode())

    def add(self, patch: bytes) -> list[Setting]:
        """Take a patch, with the version that the server gives it; returns what it sets."""
        patch += SyncPatch(version=SyncVersion(self.collection.version + 1)).encode()
        self.patches.append(patch)
        return self.collection.apply(SyncPatch.decode(patch))

    def ask(self, op: str, **more: object) -> object:
        """Ask the library about the collection."""
        named = {"name": self.collection.name, "keyid": b64(self.key_id), "key": b64(self.secret)}
        return self._library.ask(op, {**named, "patches": [b64(patch) for patch in self.patches], **more})


def test_settings_of_a_phone_are_read_by_the_library_with_every_mac(library: Wirecheck) -> None:
    phone = Phone(library, "critical_block")
    for name in ("Toko", "Toko Senja", "Toko Pagi"):
        phone.write(Setting(("setting_pushName",), 1, ActionValue(1, push_name=PushNameSetting(name)).encode()))
    read = phone.ask("app_state.decode")
    assert isinstance(read, dict)
    assert read["version"] == 3
    assert [mutation["Action"]["pushNameSetting"]["name"] for mutation in read["mutations"]] == [
        "Toko",
        "Toko Senja",
        "Toko Pagi",
    ]
    broken = bytearray(phone.patches[1])
    broken[40] ^= 1
    with pytest.raises(LibraryError):
        phone.ask("app_state.decode", patches=[b64(phone.patches[0]), b64(bytes(broken))])


def test_settings_of_the_library_are_taken_by_a_phone_on_top_of_its_own(library: Wirecheck) -> None:
    phone = Phone(library, "regular_low")
    own = ActionValue(1, pin=Pin(True)).encode()
    phone.write(Setting(("pin_v1", "628110000009@s.whatsapp.net"), 5, own))
    read = phone.ask("app_state.decode")
    assert isinstance(read, dict)
    pin = {"version": 1, "hash": read["hash"], "pin": "628110000010@s.whatsapp.net", "pinned": True}
    patch = phone.ask("app_state.encode", **pin)
    assert isinstance(patch, str)
    (setting,) = phone.add(unb64(patch))
    assert list(setting.index) == ["pin_v1", "628110000010@s.whatsapp.net"]
    assert ActionValue.decode(setting.value).pin == Pin(True)
    assert phone.collection.version == 2
