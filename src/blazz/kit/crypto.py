"""Secrets at rest: one 256-bit key per installation, AES-256-GCM for values, Argon2id for passwords."""

from __future__ import annotations

import base64
import os
import secrets
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blazz.kit.errors import BlazzError
from blazz.kit.files import read_private, write_private

_NONCE_BYTES = 12  # NIST SP 800-38D: 96-bit random nonces
_hasher = PasswordHasher()  # argon2-cffi's defaults follow RFC 9106's low-memory profile


class SecretBox:
    """Encrypts small values for storage. The `context` is authenticated, so a value cannot be moved to another row."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the secret key must be 32 bytes")
        self._aead = AESGCM(key)

    def seal(self, value: bytes, context: str) -> bytes:
        """Return nonce and ciphertext of `value`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return the value. Raises BlazzError `secret_unreadable` under another key, context or after damage."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise BlazzError("secret_unreadable", "A stored secret does not open with this key.", 500) from None


def load_or_create_key(path: Path, given: str | None) -> bytes:
    """Return the installation's key: `given` (base64) or the file's content, made with mode 0600 at the first start."""
    if given:
        key = base64.b64decode(given, validate=True)
        if len(key) != 32:
            raise BlazzError("secret_key_wrong", "BLAZZ_SECRET_KEY must be 32 bytes in base64.", 500)
        return key
    if path.exists():
        return base64.b64decode(read_private(path))
    key = secrets.token_bytes(32)
    write_private(path, base64.b64encode(key))
    return key


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
