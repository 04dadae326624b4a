"""The media host: encrypted files are uploaded once and downloaded by their path."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from whatsim.server.counters import Counters
from whatsim.server.http import Request, response
from whatsim.wire.media import Sealed

log = logging.getLogger(__name__)

HOST = "mmg.whatsapp.net"
_PATH = re.compile(r"/v/t62\.7118-24/([0-9a-f]{64})\.enc")
# Clients append "&hash=…" to the direct path, so it must carry a query already.
_QUERY = "?ccb=11-4&oh=01_sim&oe=7FFFFFFF"


class MediaHost:
    """Keeps encrypted files in a directory under the hash of their content; they are never removed."""

    def __init__(self, directory: Path, counters: Counters) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._counters = counters
        self._expired: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, request: Request, respond: Callable[[bytes], None]) -> None:
        """Answer a request by calling `respond` once."""
        task = asyncio.get_running_loop().create_task(self._answer(request, respond))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for requests under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def keep(self, sealed: Sealed) -> str:
        """Store an encrypted file durably and return its direct path."""
        return await self._store(sealed.data)

    def expire(self) -> int:
        """Refuse to deliver what is stored now, each file until it is uploaded again; returns the number of files."""
        self._expired = {path.name for path in self._directory.iterdir() if path.suffix != ".part"}
        return len(self._expired)

    def renew(self, direct_path: str) -> str | None:
        """Deliver a file again that a phone uploads once more; returns its path, or None when there is no such file."""
        match = _PATH.fullmatch(unquote(urlsplit(direct_path).path))
        if match is None or not (self._directory / match.group(1)).exists():
            return None
        self._expired.discard(match.group(1))
        return direct_path

    async def keep_plain(self, data: bytes) -> str:
        """Store a file that is not encrypted (a profile picture) durably and return its direct path."""
        return await self._store(data)

    def load(self, direct_path: str) -> bytes | None:
        """Return a stored file, or None when there is none."""
        match = _PATH.fullmatch(unquote(urlsplit(direct_path).path))
        if match is None:
            return None
        try:
            return (self._directory / match.group(1)).read_bytes()
        except FileNotFoundError:
            return None

    async def _answer(self, request: Request, respond: Callable[[bytes], None]) -> None:
        try:
            answer = await self._route(request)
        except OSError:
            log.exception("The media host cannot read or write")
            answer = response(507, b"storage failed", "text/plain")
        respond(answer)

    async def _route(self, request: Request) -> bytes:
        path = unquote(urlsplit(request.target).path)
        if request.method in ("POST", "PUT") and path.startswith("/mms/"):
            return await self._upload(path.rsplit("/", 1)[1], request.body)
        if request.method == "GET":
            if (match := _PATH.fullmatch(path)) is not None and match.group(1) in self._expired:
                return response(410, b"expired", "text/plain")
            data = await asyncio.to_thread(self.load, path)
            if data is None:
                return response(404, b"no such file", "text/plain")
            self._counters.downloads += 1
            return _ranged(data, request.headers.get("range", ""))
        if request.method == "DELETE" and path.startswith("/mms/"):
            return response(200, b"", "text/plain")
        return response(404 if request.method in ("HEAD", "POST") else 405, b"", "text/plain")

    async def _upload(self, token: str, body: bytes) -> bytes:
        try:
            expected = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return response(400, b"malformed token", "text/plain")
        if not body or hashlib.sha256(body).digest() != expected:
            return response(400, b"the file is not the one announced", "text/plain")
        direct_path = await self._store(body)
        self._counters.uploads += 1
        answer = {"url": f"https://{HOST}{direct_path}", "direct_path": direct_path, "handle": ""}
        return response(200, json.dumps(answer).encode(), "application/json")

    async def _store(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        await asyncio.to_thread(_write_durably, self._directory, name, data)
        self._expired.discard(name)
        return f"/v/t62.7118-24/{name}.enc{_QUERY}"


def _write_durably(directory: Path, name: str, data: bytes) -> None:
    path = directory / name
    if path.exists():
        return
    partial = directory / f"{name}.{os.urandom(4).hex()}.part"
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ranged(data: bytes, header: str) -> bytes:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if match is None or int(match.group(1)) >= len(data):
        return response(200, data)
    start = int(match.group(1))
    end = min(int(match.group(2)) if match.group(2) else len(data) - 1, len(data) - 1)
    extra = f"Content-Range: bytes {start}-{end}/{len(data)}\r\n"
    return response(206, data[start : end + 1], extra=extra)
