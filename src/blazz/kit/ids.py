"""Identifiers: time-ordered row keys, random tokens and WhatsApp message ids."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
import uuid

_lock = threading.Lock()
_last_ms = 0
_counter = 0


def uuid7() -> uuid.UUID:
    """Return a UUID version 7 (RFC 9562): 48 bits of milliseconds, 12 bits of counter, 62 random bits.

    Ids made by one process ascend; across processes they are only roughly ordered, so order that matters never
    rests on them.
    """
    global _last_ms, _counter
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _counter = now_ms, secrets.randbits(8)
        else:
            _counter += 1
            if _counter > 0xFFF:
                _last_ms, _counter = _last_ms + 1, 0
        value = (_last_ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | _counter << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value)


def random_token(size: int = 32) -> str:
    """Return a URL-safe token with `size` bytes (8 bits each) of entropy."""
    return secrets.token_urlsafe(size)


def token_digest(token: str) -> str:
    """Return the SHA-256 hex digest under which a high-entropy token is stored (no salt needed at 256 bits)."""
    return hashlib.sha256(token.encode()).hexdigest()


def whatsapp_message_id() -> str:
    """Return a fresh message id in the form that WhatsApp's web clients use: `3EB0` and 18 upper-case hex digits."""
    return "3EB0" + secrets.token_hex(9).upper()
