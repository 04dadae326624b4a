"""Just enough HTTP/1.1 for a WebSocket upgrade and for the media host."""

from __future__ import annotations

from dataclasses import dataclass

from whatsim.wire.errors import WireError

MAX_HEAD = 16 << 10
# The real media host takes 100 MiB and more; this bounds what one request may hold in memory.
MAX_BODY = 104 << 20
REASONS = {
    200: "OK",
    206: "Partial Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def take_request(buffer: bytearray) -> Request | None:
    """Remove and return the first whole request, or None while it is incomplete. Raises WireError."""
    end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(buffer) >= MAX_HEAD:
            raise WireError("request head is too large")
        return None
    lines = buffer[:end].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3:
        raise WireError("malformed request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise WireError("malformed header")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunked = _chunked(buffer, end + 4)
        if chunked is None:
            return None
        body, after = chunked
    else:
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > MAX_BODY:
            raise WireError("unusable content length")
        after = end + 4 + int(size)
        if len(buffer) < after:
            return None
        body = bytes(buffer[end + 4 : after])
    del buffer[:after]
    return Request(parts[0], parts[1], headers, body)


def _chunked(buffer: bytearray, at: int) -> tuple[bytes, int] | None:
    pieces: list[bytes] = []
    total = 0
    while True:
        line_end = buffer.find(b"\r\n", at, at + 64)
        if line_end < 0:
            if len(buffer) - at > 64:
                raise WireError("malformed chunk")
            return None
        try:
            size = int(buffer[at:line_end].split(b";")[0], 16)
        except ValueError as error:
            raise WireError("malformed chunk") from error
        total += size
        if size < 0 or total > MAX_BODY:
            raise WireError("request body is too large")
        start = line_end + 2
        if len(buffer) < start + size + 2:
            return None
        if size == 0:
            return b"".join(pieces), start + 2
        pieces.append(bytes(buffer[start : start + size]))
        at = start + size + 2


def response(status: int, body: bytes, content_type: str = "application/octet-stream", extra: str = "") -> bytes:
    """Return a whole response."""
    head = (
        f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body
