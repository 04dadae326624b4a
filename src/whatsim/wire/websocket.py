"""The server's side of WebSocket framing (RFC 6455): no extensions, messages of bounded size."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from whatsim.wire.errors import WireError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAX_PAYLOAD = (1 << 24) + 16  # the largest frame inside plus its length
GOODBYE = b"\x88\x02\x03\xe8"  # close, status 1000


def accept_key(key: str) -> str:
    """Return the answer to the client's `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """Return one unmasked final frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


@dataclass(slots=True)
class Frame:
    """One frame from the client, unmasked."""

    opcode: int
    payload: bytes


def take_frame(buffer: bytearray) -> Frame | None:
    """Remove and return the first whole frame, or None while it is incomplete.

    Raises WireError for unmasked or oversized frames and for extension bits.
    """
    if len(buffer) < 2:
        return None
    first, second = buffer[0], buffer[1]
    if first & 0x70:
        raise WireError("WebSocket extension bits without an extension")
    if not second & 0x80:
        raise WireError("WebSocket frame of a client without mask")
    size, start = second & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(buffer[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(buffer[2:10], "big"), 10
    if len(buffer) < start:
        return None
    if size > MAX_PAYLOAD:
        raise WireError("WebSocket frame is too large")
    end = start + 4 + size
    if len(buffer) < end:
        return None
    payload = _unmask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
    del buffer[:end]
    return Frame(first & 0x0F, payload)


def _unmask(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    if not size:
        return data
    # One wide XOR is far quicker than a loop over bytes.
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")
