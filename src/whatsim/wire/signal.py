"""Signal sessions (protocol version 3): X3DH to begin, the double ratchet after it, and a form to keep them on disk.

A record holds the current state with one device and a few archived ones, because both sides may begin at once and
messages of the losing session may still be under way.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from whatsim.wire.curve import KEY_TYPE, KeyPair, agree, hkdf, hmac_sha256, key_pair
from whatsim.wire.errors import WireError
from whatsim.wire.media import cbc_decrypt, cbc_encrypt
from whatsim.wire.protobuf import read_fields, write_bytes, write_uint
from whatsim.wire.signal_state import Chain, State, dump_state, load_state

CipherType = Literal["pkmsg", "msg"]

_VERSION = b"\x33"
_MAC_SIZE = 8
_DISCONTINUITY = b"\xff" * 32
# Bounds of libsignal: how far a chain may jump, how many chains and old states are kept.
MAX_JUMP = 2_000
MAX_SKIPPED = 2_000
MAX_CHAINS = 5
MAX_ARCHIVED = 8


class DecryptError(WireError):
    """The message cannot be decrypted with what is known."""


class DuplicateMessage(DecryptError):
    """The message's key has been used: it was decrypted before."""


class NoSession(DecryptError):
    """There is no session with the sender, or its one-time key is unknown."""


class SignedKey(NamedTuple):
    """A signed prekey."""

    id: int
    public: bytes
    signature: bytes


class Bundle(NamedTuple):
    """What is needed to begin a session with a device that may be offline. The one-time key may be missing."""

    registration_id: int
    identity: bytes
    signed_key: SignedKey
    one_time_id: int | None
    one_time_key: bytes | None


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """Own keys. `one_time_key` returns an unused one-time key by id, or None."""

    keys: KeyPair
    registration_id: int
    signed_key: KeyPair
    signed_key_id: int
    one_time_key: Callable[[int], KeyPair | None]


class SessionRecord:
    """All sessions of one own identity with one remote device."""

    __slots__ = ("_archived", "_current", "remote_identity")

    def __init__(self, remote_identity: bytes) -> None:
        self.remote_identity = remote_identity
        self._current: State | None = None
        self._archived: list[State] = []

    @property
    def is_fresh(self) -> bool:
        """Whether the other side has not answered yet (messages still carry the set-up)."""
        return self._current is not None and self._current.pending is not None

    def begin(self, local: LocalIdentity, bundle: Bundle) -> None:
        """Begin a session as the initiator; an earlier one is archived."""
        base = key_pair()
        secret = (
            _DISCONTINUITY
            + agree(local.keys.private, bundle.signed_key.public)
            + agree(base.private, bundle.identity)
            + agree(base.private, bundle.signed_key.public)
        )
        if bundle.one_time_key is not None:
            secret += agree(base.private, bundle.one_time_key)
        root, chain = _split(hkdf(secret, None, b"WhisperText", 64))
        ratchet = key_pair()
        new_root, send_key = _root_step(root, agree(ratchet.private, bundle.signed_key.public))
        state = State(new_root, send_key, 0, 0, ratchet, base.public, (bundle.one_time_id, bundle.signed_key.id))
        state.chains.append(Chain(bundle.signed_key.public, chain, 0))
        self.remote_identity = bundle.identity
        self._promote(state)

    def encrypt(self, local: LocalIdentity, plain: bytes) -> tuple[CipherType, bytes]:
        """Return the message and its type. Raises NoSession without a session."""
        state = self._current
        if state is None:
            raise NoSession("no session to encrypt with")
        cipher_key, mac_key, iv = _message_keys(_seed(state.send_key))
        body = bytearray(_VERSION)
        write_bytes(body, 1, KEY_TYPE + state.ratchet.public)
        write_uint(body, 2, state.send_index)
        write_uint(body, 3, state.previous)
        write_bytes(body, 4, cbc_encrypt(cipher_key, iv, plain))
        sealed = bytes(body) + _mac(mac_key, local.keys.public, self.remote_identity, bytes(body))
        state.send_key = _next(state.send_key)
        state.send_index += 1
        if state.pending is None:
            return "msg", sealed
        one_time_id, signed_id = state.pending
        first = bytearray(_VERSION)
        if one_time_id is not None:
            write_uint(first, 1, one_time_id)
        write_bytes(first, 2, KEY_TYPE + state.base)
        write_bytes(first, 3, KEY_TYPE + local.keys.public)
        write_bytes(first, 4, sealed)
        write_uint(first, 5, local.registration_id)
        write_uint(first, 6, signed_id)
        return "pkmsg", bytes(first)

    def decrypt(self, local: LocalIdentity, sealed: bytes) -> bytes:
        """Return the plaintext of an ordinary message; the record changes only on success.

        Raises DuplicateMessage, NoSession or DecryptError.
        """
        states = [self._current, *self._archived] if self._current is not None else self._archived
        if not states:
            raise NoSession("no session with the sender")
        parsed = _parse(sealed)
        failure: DecryptError | None = None
        for state in states:
            try:
                plain = self._open(state, local, parsed)
            except DecryptError as error:
                # A duplicate says more than "not this session's message".
                if failure is None or isinstance(error, DuplicateMessage):
                    failure = error
                continue
            if state is not self._current:
                self._archived.remove(state)
                self._promote(state)
            return plain
        raise failure or DecryptError("no session opens the message")

    def decrypt_first(self, local: LocalIdentity, data: bytes) -> bytes:
        """Return the plaintext of a message that sets up a session (`pkmsg`); raises as `decrypt` does."""
        first = parse_first(data)
        for state in ([self._current] if self._current else []) + self._archived:
            if state.base == first.base:
                return self.decrypt(local, first.message)
        state = _accept(local, first)
        previous_identity, self.remote_identity = self.remote_identity, first.identity
        try:
            plain = self._open(state, local, _parse(first.message))
        except DecryptError:
            self.remote_identity = previous_identity
            raise
        self._promote(state)
        return plain

    def _promote(self, state: State) -> None:
        if self._current is not None:
            self._archived.insert(0, self._current)
            del self._archived[MAX_ARCHIVED:]
        self._current = state

    def _open(self, state: State, local: LocalIdentity, message: _Message) -> bytes:
        chain = next((chain for chain in state.chains if chain.ratchet == message.ratchet), None)
        root = state.root
        if chain is None:
            root, key = _root_step(state.root, agree(state.ratchet.private, message.ratchet))
            chain = Chain(message.ratchet, key, 0)
            is_new = True
        else:
            is_new = False
        key, index = chain.key, chain.index
        skipped: list[tuple[tuple[bytes, int], bytes]] = []
        if message.counter < index:
            seed = state.skipped.get((message.ratchet, message.counter))
            if seed is None:
                raise DuplicateMessage("message key was used before")
        else:
            if message.counter - index > MAX_JUMP:
                raise DecryptError("message is too far in the future")
            while index < message.counter:
                skipped.append(((message.ratchet, index), _seed(key)))
                key, index = _next(key), index + 1
            seed = _seed(key)
            key, index = _next(key), index + 1
        cipher_key, mac_key, iv = _message_keys(seed)
        if not hmac.compare_digest(_mac(mac_key, self.remote_identity, local.keys.public, message.body), message.mac):
            raise DecryptError("message is not authentic")
        try:
            plain = cbc_decrypt(cipher_key, iv, message.ciphertext)
        except WireError as error:
            raise DecryptError(str(error)) from error
        # Authentic: only now may the state change.
        state.skipped.pop((message.ratchet, message.counter), None)
        state.skipped.update(skipped)
        while len(state.skipped) > MAX_SKIPPED:
            del state.skipped[next(iter(state.skipped))]
        chain.key, chain.index = key, index
        if is_new:
            state.chains.append(chain)
            del state.chains[:-MAX_CHAINS]
            state.previous = max(state.send_index - 1, 0)
            state.ratchet = key_pair()
            state.root, state.send_key = _root_step(root, agree(state.ratchet.private, message.ratchet))
            state.send_index = 0
        state.pending = None
        return plain

    def dump(self) -> bytes:
        """Return the record for storage."""
        states = [self._current] if self._current is not None else []
        parts = [self.remote_identity]
        for state in states + self._archived:
            blob = dump_state(state)
            parts.append(len(blob).to_bytes(4, "big"))
            parts.append(blob)
        return b"".join(parts)

    @classmethod
    def load(cls, data: bytes) -> SessionRecord:
        """Undo `dump`."""
        record = cls(data[:32])
        at = 32
        states: list[State] = []
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            states.append(load_state(data[at + 4 : at + 4 + size]))
            at += 4 + size
        if states:
            record._current, record._archived = states[0], states[1:]
        return record


class FirstMessage(NamedTuple):
    """A parsed `pkmsg`."""

    one_time_id: int | None
    base: bytes
    identity: bytes
    message: bytes
    signed_id: int


class _Message(NamedTuple):
    ratchet: bytes
    counter: int
    ciphertext: bytes
    body: bytes
    mac: bytes


def parse_first(data: bytes) -> FirstMessage:
    """Return the parts of a `pkmsg`. Raises DecryptError when malformed."""
    fields = _fields(data)
    one_time_id = fields.get(1)
    return FirstMessage(
        one_time_id if isinstance(one_time_id, int) else None,
        _public(fields.get(2)),
        _public(fields.get(3)),
        _bytes(fields.get(4)),
        _int(fields.get(6)),
    )


def _parse(sealed: bytes) -> _Message:
    body, mac = sealed[:-_MAC_SIZE], sealed[-_MAC_SIZE:]
    fields = _fields(body)
    return _Message(_public(fields.get(1)), _int(fields.get(2)), _bytes(fields.get(4)), body, mac)


def _fields(data: bytes) -> dict[int, int | bytes]:
    if data[:1] != _VERSION:
        raise DecryptError("message of another protocol version")
    try:
        return dict(read_fields(data[1:]))
    except WireError as error:
        raise DecryptError("message is malformed") from error


def _public(value: int | bytes | None) -> bytes:
    if not isinstance(value, bytes) or len(value) != 33 or value[:1] != KEY_TYPE:
        raise DecryptError("message lacks a public key")
    return value[1:]


def _bytes(value: int | bytes | None) -> bytes:
    if not isinstance(value, bytes):
        raise DecryptError("message lacks its content")
    return value


def _int(value: int | bytes | None) -> int:
    return value if isinstance(value, int) else 0


def _accept(local: LocalIdentity, first: FirstMessage) -> State:
    if first.signed_id != local.signed_key_id:
        raise NoSession("unknown signed prekey")
    secret = (
        _DISCONTINUITY
        + agree(local.signed_key.private, first.identity)
        + agree(local.keys.private, first.base)
        + agree(local.signed_key.private, first.base)
    )
    if first.one_time_id is not None:
        one_time = local.one_time_key(first.one_time_id)
        if one_time is None:
            raise NoSession("unknown one-time prekey")
        secret += agree(one_time.private, first.base)
    root, chain = _split(hkdf(secret, None, b"WhisperText", 64))
    return State(root, chain, 0, 0, local.signed_key, first.base, None)


def _split(material: bytes) -> tuple[bytes, bytes]:
    return material[:32], material[32:]


def _root_step(root: bytes, secret: bytes) -> tuple[bytes, bytes]:
    return _split(hkdf(secret, root, b"WhisperRatchet", 64))


def _seed(chain: bytes) -> bytes:
    return hmac_sha256(chain, b"\x01")


def _next(chain: bytes) -> bytes:
    return hmac_sha256(chain, b"\x02")


def _message_keys(seed: bytes) -> tuple[bytes, bytes, bytes]:
    material = hkdf(seed, None, b"WhisperMessageKeys", 80)
    return material[:32], material[32:64], material[64:]


def _mac(key: bytes, sender: bytes, receiver: bytes, body: bytes) -> bytes:
    return hmac_sha256(key, KEY_TYPE + sender + KEY_TYPE + receiver + body)[:_MAC_SIZE]
