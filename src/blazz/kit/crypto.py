"""Secrets at rest: AES-256-GCM for values under the installation's key, Argon2id for passwords."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blazz.kit.errors import BlazzError

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D: 96-bit random nonces
_hasher = PasswordHasher()  # argon2-cffi's defaults follow RFC 9106's low-memory profile


class SecretBox:
    """Encrypts small values for storage. The `context` is authenticated, so a value cannot be moved to another row.

    `key` seals; with `previous` what that key sealed opens too, while the key is changed.
    """

    def __init__(self, key: bytes, previous: bytes | None = None) -> None:
        if {len(one) for one in (key, previous) if one is not None} != {KEY_BYTES}:
            raise ValueError(f"a secret key must be {KEY_BYTES} bytes")
        self._aead = AESGCM(key)
        self._previous = None if previous is None else AESGCM(previous)

    def seal(self, value: bytes, context: str) -> bytes:
        """Return nonce and ciphertext of `value`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return the value. Raises BlazzError `secret_unreadable` under another key, context or after damage."""
        for aead in (self._aead, self._previous):
            if aead is not None and (value := _opened(aead, sealed, context)) is not None:
                return value
        raise BlazzError("secret_unreadable", "A stored secret does not open with this key.", 500)

    def reseal(self, sealed: bytes, context: str) -> bytes | None:
        """Return the value sealed with the key, None when it is already. Raises BlazzError `secret_unreadable`."""
        if _opened(self._aead, sealed, context) is not None:
            return None
        return self.seal(self.open(sealed, context), context)


def decode_key(text: str, name: str, code: str) -> bytes:
    """Return the 256-bit key that `text` (base64) is. Raises BlazzError `code` (500), which calls it `name`."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BlazzError(code, f"{name} must be {KEY_BYTES} bytes in base64.", 500)
    return key


def _opened(aead: AESGCM, sealed: bytes, context: str) -> bytes | None:
    try:
        return aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        return None


def hash_password(password: str) -> str:
    """Return an Argon2id hash (about 20-50 ms of CPU: call it off the event loop)."""
    return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Tell whether `password` matches. An absent hash costs the same time, so it does not tell who exists."""
    try:
        _hasher.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_hex(16))
