"""The key exchange of linking by an 8-character code.

Client and phone each send an ephemeral public key wrapped with a key stretched from the code. The client then sends
a bundle, encrypted under the shared secret, from which both derive the same `adv` secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsim.model import LinkRefused
from whatsim.wire.binary import Node
from whatsim.wire.curve import KeyPair, agree, hkdf, key_pair
from whatsim.wire.errors import WireError

if TYPE_CHECKING:
    from whatsim.server.connection import Connection

CODE_LENGTH = 8
# The protocol's constant; about 50 ms of work.
STRETCH_ROUNDS = 2 << 16
_SALT, _IV, _NONCE = 32, 16, 12


class CodeExchange:
    """One client's request for a code, until it is linked or has gone."""

    def __init__(self, connection: Connection, wrapped_key: bytes) -> None:
        """`wrapped_key` is salt (32), IV (16) and the encrypted ephemeral key (32). Raises WireError otherwise."""
        if len(wrapped_key) != _SALT + _IV + 32:
            raise WireError("wrapped key of unexpected length")
        self.connection = connection
        self.ref = os.urandom(12).hex().encode()
        self._wrapped = wrapped_key
        self._ephemeral = key_pair()
        self._companion = b""
        self._identity: KeyPair | None = None
        self._secret: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def begin(self, code: str, identity: KeyPair) -> Node:
        """Return the phone's part for the client. Raises LinkRefused for a malformed code."""
        if len(code) != CODE_LENGTH or not code.isalnum():
            raise LinkRefused("wrong_code", f"A code has {CODE_LENGTH} letters and digits.")
        self._identity = identity
        salt, iv = os.urandom(_SALT), os.urandom(_IV)
        self._companion = await _wrap(code, self._wrapped[:_SALT], self._wrapped[_SALT:-32], self._wrapped[-32:])
        wrapped = salt + iv + await _wrap(code, salt, iv, self._ephemeral.public)
        return Node(
            "link_code_companion_reg",
            {"stage": "primary_hello"},
            [
                Node("link_code_pairing_ref", {}, self.ref),
                Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
                Node("primary_identity_pub", {}, identity.public),
            ],
        )

    def finish(self, bundle: bytes, companion_identity: bytes) -> None:
        """Read the client's bundle: salt (32), nonce (12), ciphertext of both identities and random bytes."""
        if self._secret.done() or self._identity is None:
            return
        try:
            shared = agree(self._ephemeral.private, self._companion)
            key = hkdf(shared, bundle[:_SALT], b"link_code_pairing_key_bundle_encryption_key", 32)
            plain = AESGCM(key).decrypt(bundle[_SALT : _SALT + _NONCE], bundle[_SALT + _NONCE :], None)
            if plain[:32] != companion_identity or plain[32:64] != self._identity.public:
                raise WireError("bundle names other identities")
            identity_shared = agree(self._identity.private, companion_identity)
        except (InvalidTag, ValueError, WireError):
            self.fail(LinkRefused("wrong_code", "The code is not the one that the client shows."))
            return
        self._secret.set_result(hkdf(shared + identity_shared + plain[64:96], None, b"adv_secret", 32))

    def fail(self, reason: LinkRefused) -> None:
        """End the exchange without result."""
        if not self._secret.done():
            self._secret.set_exception(reason)
            # Nobody may be waiting for it.
            self._secret.exception()

    async def secret(self) -> bytes:
        """Return the `adv` secret once the client has answered. Raises LinkRefused."""
        return await asyncio.shield(self._secret)


async def _wrap(code: str, salt: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt (the same operation) a key with one stretched from the code."""
    key = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", code.encode(), salt, STRETCH_ROUNDS, 32)
    cipher = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()
