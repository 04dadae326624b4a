"""A lean HTTP/1.1 client for load: keep-alive connections, JSON in and out, as little of the CPU as possible.

The load generator shares two cores with everything it measures; a full-featured client would cost more than the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any
from urllib.parse import urlsplit

_IDLE_S = 2.0  # servers close what was idle for 5 s; a request must not meet that


class HttpError(RuntimeError):
    """The server answered with an unexpected status."""


class LeanClient:
    """A pool of keep-alive connections to one server."""

    def __init__(self, base_url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._prefix = parts.path.rstrip("/")
        lines = [f"Host: {parts.netloc}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        self._head = "".join(f"{line}\r\n" for line in lines)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and raw body."""
        reader, writer = await self._connection()
        payload = b"" if body is None else json.dumps(body).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        kind = "Content-Type: application/json\r\n" if payload else ""
        head = (
            f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}{extra}{kind}Content-Length: {len(payload)}\r\n\r\n"
        )
        writer.write(head.encode() + payload)
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(raw.split(" ", 2)[1])
        fields = {
            name.lower(): value.strip()
            for name, _, value in (field.partition(":") for field in raw.split("\r\n")[1:])
            if name
        }
        if fields.get("transfer-encoding") == "chunked":
            content = b""
            while size := int(await reader.readline(), 16):
                content += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            content = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._idle.append((reader, writer, time.monotonic()))
        return status, content

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, since = self._idle.pop()
            if time.monotonic() - since < _IDLE_S and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    async def json(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Return the decoded answer; raises HttpError unless the status is 2xx."""
        status, content = await self.request(method, path, body, headers)
        if not 200 <= status < 300:
            raise HttpError(f"{method} {path}: {status} {content[:300]!r}")
        return json.loads(content) if content else None

    async def close(self) -> None:
        """Close idle connections."""
        for _, writer, _ in self._idle:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        self._idle.clear()
