"""Encryption with a message's secret: votes, edits and some reactions travel so, readable for whoever has the message.

HKDF-SHA256 of the secret gives the key, AES-256-GCM does the rest. The info names the message, who wrote it, who
changes it and what for; only votes and answers to events are bound to their sender a second time, as additional data.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

POLL_VOTE = "Poll Vote"
REACTION = "Enc Reaction"
MESSAGE_EDIT = "Message Edit"
IV_BYTES = 12
_BOUND_TWICE = frozenset({POLL_VOTE, "Event Response"})


@dataclass(frozen=True, slots=True)
class Use:
    """What is encrypted: the purpose, the message with its author, and who changes it; device-less addresses."""

    purpose: str
    message_id: str
    author: str
    changed_by: str

    def key(self, secret: bytes) -> bytes:
        """Return the key, 32 bytes."""
        info = f"{self.message_id}{self.author}{self.changed_by}{self.purpose}".encode()
        return HKDF(SHA256(), 32, None, info).derive(secret)

    @property
    def additional(self) -> bytes | None:
        """The additional data of the encryption."""
        return f"{self.message_id}\x00{self.changed_by}".encode() if self.purpose in _BOUND_TWICE else None


def encrypt(secret: bytes, use: Use, plain: bytes) -> tuple[bytes, bytes]:
    """Return ciphertext and initialisation vector."""
    iv = secrets.token_bytes(IV_BYTES)
    return AESGCM(use.key(secret)).encrypt(iv, plain, use.additional), iv


def decrypt(secret: bytes, use: Use, payload: bytes, iv: bytes) -> bytes | None:
    """Return the plaintext; None when it was encrypted for another use, or is damaged."""
    if len(iv) != IV_BYTES:
        return None
    try:
        return AESGCM(use.key(secret)).decrypt(iv, payload, use.additional)
    except InvalidTag:
        return None
