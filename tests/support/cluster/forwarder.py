"""A port that leads to a Unix socket: how a process in another network namespace reaches a private server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

_PIECE = 1 << 16


@contextlib.asynccontextmanager
async def forwarder(host: str, socket_path: str) -> AsyncIterator[int]:
    """Forward connections to a port of `host`, which is returned, to the socket."""
    streams: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams.add(writer)
        try:
            inner_reader, inner_writer = await asyncio.open_unix_connection(socket_path)
            streams.add(inner_writer)
            await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
            streams.discard(inner_writer)
        except OSError:
            writer.transport.abort()  # the server is away
        finally:
            streams.discard(writer)

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in list(streams):
            writer.transport.abort()
