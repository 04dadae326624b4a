"""A web server on this machine that stands for somebody else's, and a fetcher for which it is the internet."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from blazz.kit.fetch import Fetcher, Guard
from blazz.kit.fetch.addresses import is_public

Answer = Callable[[str], bytes]


@dataclass
class Host:
    """A web server on a free port of this machine, and what it was asked."""

    answer: Answer
    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head)
            writer.write(self.answer(head.split(" ")[1]))
            await writer.drain()
        writer.close()

    def url(self, path: str = "/", host: str = "files.example") -> str:
        return f"http://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def hosting(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    host = Host(answer)
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


def reply(body: bytes = b"hello", status: str = "200 OK", **headers: str) -> bytes:
    named = {"Content-Length": str(len(body)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def local(names: dict[str, list[str]] | None = None) -> Fetcher:
    """A fetcher for which this machine is the internet: any port, and 127.0.0.1 counts as public."""
    known = {"files.example": ["127.0.0.1"], "other.example": ["127.0.0.1"], **(names or {})}

    async def resolve(host: str, port: int) -> list[str]:
        if host[0].isdigit():
            return [host]
        try:
            return known[host]
        except KeyError:
            raise OSError("unknown host") from None

    def allows(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return str(address) == "127.0.0.1" or is_public(address)

    return Fetcher(Guard(allows, None, resolve))
