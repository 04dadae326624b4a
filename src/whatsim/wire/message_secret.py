"""Encryption with a message's secret, as votes and encrypted edits use it; written apart from the product's."""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

POLL_VOTE = "Poll Vote"
MESSAGE_EDIT = "Message Edit"
SIZE = 32


def new_secret() -> bytes:
    """Return a secret for a new message."""
    return os.urandom(SIZE)


def seal(secret: bytes, use: str, message_id: str, author: str, changer: str, plain: bytes) -> tuple[bytes, bytes]:
    """Return ciphertext and initialisation vector of what `changer` does to the message of `author`."""
    iv = os.urandom(12)
    cipher = AESGCM(_key(secret, use, message_id, author, changer))
    return cipher.encrypt(iv, plain, _additional(use, message_id, changer)), iv


def unseal(
    secret: bytes, use: str, message_id: str, author: str, changer: str, payload: bytes, iv: bytes
) -> bytes | None:
    """Undo `seal`; None when it was sealed for somebody or something else."""
    cipher = AESGCM(_key(secret, use, message_id, author, changer))
    try:
        return cipher.decrypt(iv, payload, _additional(use, message_id, changer))
    except (InvalidTag, ValueError):
        return None


def _key(secret: bytes, use: str, message_id: str, author: str, changer: str) -> bytes:
    # HKDF with SHA-256 of one block: extract with a salt of zeros, expand once
    inner = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(inner, (message_id + author + changer + use).encode() + b"\x01", "sha256")


def _additional(use: str, message_id: str, changer: str) -> bytes | None:
    return f"{message_id}\x00{changer}".encode() if use == POLL_VOTE else None
