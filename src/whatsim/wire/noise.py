"""The Noise handshake (XX, X25519, AES-256-GCM, SHA-256) that opens every connection, and the cipher after it."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsim.wire.curve import KeyPair, agree, hkdf, key_pair
from whatsim.wire.errors import WireError

PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"


class HandshakeState:
    """The symmetric state that both sides run through in step."""

    def __init__(self, prologue: bytes) -> None:
        self._hash = PATTERN
        self._chaining_key = PATTERN
        self._cipher = AESGCM(PATTERN)
        self._counter = 0
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """Bind `data` to everything that follows."""
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        """Move on to keys that need `secret`."""
        keys = hkdf(secret, self._chaining_key, b"", 64)
        self._chaining_key = keys[:32]
        self._cipher = AESGCM(keys[32:])
        self._counter = 0

    def encrypt(self, plain: bytes) -> bytes:
        """Return the ciphertext and bind it."""
        sealed = self._cipher.encrypt(self._nonce(), plain, self._hash)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        """Return the plaintext and bind the ciphertext. Raises WireError when it is not authentic."""
        try:
            plain = self._cipher.decrypt(self._nonce(), sealed, self._hash)
        except (InvalidTag, ValueError) as error:
            raise WireError("handshake message is not authentic") from error
        self.mix_hash(sealed)
        return plain

    def split(self) -> tuple[TransportCipher, TransportCipher]:
        """Return the ciphers client → server and server → client."""
        keys = hkdf(b"", self._chaining_key, b"", 64)
        return TransportCipher(keys[:32]), TransportCipher(keys[32:])

    def _nonce(self) -> bytes:
        nonce = self._counter.to_bytes(12, "big")
        self._counter += 1
        return nonce


class TransportCipher:
    """One direction of an established connection; every frame uses the next counter."""

    __slots__ = ("_cipher", "_counter")

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._counter = 0

    def encrypt(self, plain: bytes) -> bytes:
        """Return the next frame."""
        nonce = self._counter.to_bytes(12, "big")
        self._counter += 1
        return self._cipher.encrypt(nonce, plain, None)

    def decrypt(self, sealed: bytes) -> bytes:
        """Return the next frame's plaintext. Raises WireError when it is not authentic."""
        nonce = self._counter.to_bytes(12, "big")
        self._counter += 1
        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except (InvalidTag, ValueError) as error:
            raise WireError("frame is not authentic") from error


class Responder:
    """The server's side: `hello` answers the client's first message, `finish` reads its second one."""

    def __init__(self, prologue: bytes, static: KeyPair, certificate: bytes) -> None:
        self._state = HandshakeState(prologue)
        self._static = static
        self._certificate = certificate
        self._ephemeral = key_pair()

    def hello(self, client_ephemeral: bytes) -> tuple[bytes, bytes, bytes]:
        """Return (ephemeral key, encrypted static key, encrypted certificate chain)."""
        state = self._state
        state.mix_hash(client_ephemeral)
        state.mix_hash(self._ephemeral.public)
        state.mix_key(agree(self._ephemeral.private, client_ephemeral))
        sealed_static = state.encrypt(self._static.public)
        state.mix_key(agree(self._static.private, client_ephemeral))
        return self._ephemeral.public, sealed_static, state.encrypt(self._certificate)

    def finish(self, sealed_static: bytes, sealed_payload: bytes) -> tuple[bytes, bytes]:
        """Return (the client's static key, its payload); afterwards `split` gives the ciphers."""
        client_static = self._state.decrypt(sealed_static)
        self._state.mix_key(agree(self._ephemeral.private, client_static))
        return client_static, self._state.decrypt(sealed_payload)

    def split(self) -> tuple[TransportCipher, TransportCipher]:
        """Return (cipher to read from the client, cipher to write to it)."""
        return self._state.split()


class Initiator:
    """The client's side, for tests and tools."""

    def __init__(self, prologue: bytes, static: KeyPair) -> None:
        self._state = HandshakeState(prologue)
        self._static = static
        self._ephemeral = key_pair()
        self._server_ephemeral = b""

    def hello(self) -> bytes:
        """Return the ephemeral key to send first."""
        self._state.mix_hash(self._ephemeral.public)
        return self._ephemeral.public

    def read_hello(self, ephemeral: bytes, sealed_static: bytes, sealed_certificate: bytes) -> tuple[bytes, bytes]:
        """Return (the server's static key, its certificate chain)."""
        state = self._state
        self._server_ephemeral = ephemeral
        state.mix_hash(ephemeral)
        state.mix_key(agree(self._ephemeral.private, ephemeral))
        static = state.decrypt(sealed_static)
        state.mix_key(agree(self._ephemeral.private, static))
        return static, state.decrypt(sealed_certificate)

    def finish(self, payload: bytes) -> tuple[bytes, bytes]:
        """Return (encrypted static key, encrypted payload) to send last."""
        sealed_static = self._state.encrypt(self._static.public)
        self._state.mix_key(agree(self._static.private, self._server_ephemeral))
        return sealed_static, self._state.encrypt(payload)

    def split(self) -> tuple[TransportCipher, TransportCipher]:
        """Return (cipher to write to the server, cipher to read from it)."""
        return self._state.split()
