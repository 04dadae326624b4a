"""Sender keys: how one device encrypts once for all members of a group.

The sender hands its chain to every device in a pairwise session (the distribution message), then each message moves the
chain on by one. Messages are signed, since every member knows the chain.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from whatsim.wire.curve import KEY_TYPE, SIGNATURE_SIZE, KeyPair, hkdf, hmac_sha256, key_pair, sign, verify
from whatsim.wire.errors import WireError
from whatsim.wire.media import cbc_decrypt, cbc_encrypt
from whatsim.wire.protobuf import read_fields, write_bytes, write_uint
from whatsim.wire.signal import DecryptError, DuplicateMessage, NoSession

_VERSION = b"\x33"
# Bounds of libsignal: how far a chain may jump, how many skipped keys and how many chains of one sender are kept.
MAX_JUMP = 2_000
MAX_SKIPPED = 2_000
MAX_CHAINS = 5


@dataclass(slots=True)
class _Chain:
    """One chain; `private` is known for one's own only, `skipped` are seeds of messages not seen yet."""

    id: int
    iteration: int
    key: bytes
    public: bytes
    private: bytes = b""
    skipped: dict[int, bytes] = field(default_factory=dict)


class SenderKeys:
    """The chains of one sender in one group, the newest last. Of one's own there is one, made when it is needed.

    `given` names who has been handed the present chain.
    """

    __slots__ = ("_chains", "given")

    def __init__(self) -> None:
        self._chains: list[_Chain] = []
        self.given: set[str] = set()

    def forget(self) -> None:
        """Begin a new chain with the next message: somebody who knew this one must not read on."""
        self._chains.clear()
        self.given.clear()

    def distribution(self) -> bytes:
        """Return what the others need to read from now on, making the chain if there is none."""
        chain = self._own()
        out = bytearray(_VERSION)
        write_uint(out, 1, chain.id)
        write_uint(out, 2, chain.iteration)
        write_bytes(out, 3, chain.key)
        write_bytes(out, 4, KEY_TYPE + chain.public)
        return bytes(out)

    def encrypt(self, plain: bytes) -> bytes:
        """Return the signed message and move the chain on."""
        chain = self._own()
        cipher_key, iv = _message_keys(_seed(chain.key))
        out = bytearray(_VERSION)
        write_uint(out, 1, chain.id)
        write_uint(out, 2, chain.iteration)
        write_bytes(out, 3, cbc_encrypt(cipher_key, iv, plain))
        chain.key, chain.iteration = _next(chain.key), chain.iteration + 1
        return bytes(out) + sign(chain.private, bytes(out))

    def learn(self, distribution: bytes) -> None:
        """Take a sender's distribution message; one that is known changes nothing. Raises WireError when malformed."""
        fields = _fields(distribution)
        number, iteration = _int(fields.get(1)), _int(fields.get(2))
        key, public = _bytes(fields.get(3)), _bytes(fields.get(4))
        if len(key) != 32 or len(public) != 33 or public[:1] != KEY_TYPE:
            raise WireError("sender key of unexpected form")
        if any(chain.id == number and chain.public == public[1:] for chain in self._chains):
            return
        self._chains.append(_Chain(number, iteration, key, public[1:]))
        del self._chains[:-MAX_CHAINS]

    def decrypt(self, data: bytes) -> bytes:
        """Return the plaintext. Raises NoSession without the chain, DuplicateMessage, or DecryptError."""
        body, signature = data[:-SIGNATURE_SIZE], data[-SIGNATURE_SIZE:]
        fields = _fields(body)
        number, iteration = _int(fields.get(1)), _int(fields.get(2))
        chain = next((chain for chain in reversed(self._chains) if chain.id == number), None)
        if chain is None:
            raise NoSession("the sender's key is not known")
        if not verify(chain.public, body, signature):
            raise DecryptError("group message is not authentic")
        key, skipped = chain.key, {}
        if iteration < chain.iteration:
            seed = chain.skipped.get(iteration)
            if seed is None:
                raise DuplicateMessage("group message key was used before")
        else:
            if iteration - chain.iteration > MAX_JUMP:
                raise DecryptError("group message is too far in the future")
            for at in range(chain.iteration, iteration):
                skipped[at] = _seed(key)
                key = _next(key)
            seed, key = _seed(key), _next(key)
        cipher_key, iv = _message_keys(seed)
        try:
            plain = cbc_decrypt(cipher_key, iv, _bytes(fields.get(3)))
        except WireError as error:
            raise DecryptError(str(error)) from error
        chain.skipped.pop(iteration, None)
        if iteration >= chain.iteration:
            chain.key, chain.iteration = key, iteration + 1
        chain.skipped.update(skipped)
        while len(chain.skipped) > MAX_SKIPPED:
            del chain.skipped[next(iter(chain.skipped))]
        return plain

    def dump(self) -> str:
        """Return the stored form."""
        chains = [
            [
                chain.id,
                chain.iteration,
                chain.key.hex(),
                chain.public.hex(),
                chain.private.hex(),
                {str(at): seed.hex() for at, seed in chain.skipped.items()},
            ]
            for chain in self._chains
        ]
        return json.dumps({"chains": chains, "given": sorted(self.given)})

    @classmethod
    def load(cls, text: str) -> SenderKeys:
        """Undo `dump`."""
        raw: dict[str, Any] = json.loads(text)
        keys = cls()
        keys.given = set(raw["given"])
        for number, iteration, key, public, private, skipped in raw["chains"]:
            seeds = {int(at): bytes.fromhex(seed) for at, seed in skipped.items()}
            chain = _Chain(number, iteration, bytes.fromhex(key), bytes.fromhex(public), bytes.fromhex(private), seeds)
            keys._chains.append(chain)
        return keys

    def _own(self) -> _Chain:
        if not self._chains:
            pair: KeyPair = key_pair()
            number = int.from_bytes(os.urandom(4), "big") >> 1
            self._chains.append(_Chain(number, 0, os.urandom(32), pair.public, pair.private))
        return self._chains[-1]


def _fields(data: bytes) -> dict[int, int | bytes]:
    if data[:1] != _VERSION:
        raise DecryptError("group message of another protocol version")
    try:
        return dict(read_fields(data[1:]))
    except WireError as error:
        raise DecryptError("group message is malformed") from error


def _bytes(value: int | bytes | None) -> bytes:
    if not isinstance(value, bytes):
        raise DecryptError("group message lacks its content")
    return value


def _int(value: int | bytes | None) -> int:
    return value if isinstance(value, int) else 0


def _seed(chain: bytes) -> bytes:
    return hmac_sha256(chain, b"\x01")


def _next(chain: bytes) -> bytes:
    return hmac_sha256(chain, b"\x02")


def _message_keys(seed: bytes) -> tuple[bytes, bytes]:
    material = hkdf(seed, None, b"WhisperGroup", 48)
    return material[16:], material[:16]
