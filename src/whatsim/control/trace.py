"""The trace over HTTP: lines of text from now on, as long as the reader keeps up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from whatsim.control.phones import Net
from whatsim.control.schemas import Number
from whatsim.network import Network
from whatsim.trace import Watch

# Entries that wait for a slow reader; the oldest are given up first, and their number is told.
WAITING = 5_000
# A reader that has gone is noticed when something is written to it.
KEEP_ALIVE_S = 15.0

router = APIRouter()


@router.get(
    "/trace",
    tags=["network"],
    summary="Every stanza from now on, as text",
    description=(
        "One entry per stanza: time (UTC), `number:device`, `>` towards the network or `<` from it, and the stanza in "
        "as many lines as it needs. Keys and bodies are left out unless `contents` is true. Lines that begin with `#` "
        "are remarks."
    ),
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The trace"}},
)
async def trace(
    request: Request,
    network: Net,
    contents: Annotated[bool, Query(description="Show keys and bodies")] = False,
    number: Annotated[Number | None, Query(description="Only devices of this phone")] = None,
) -> StreamingResponse:
    if number is not None:
        network.get_phone(number)
    closing: asyncio.Event = request.app.state.closing
    reader = _Reader()
    end = network.watch_stanzas(Watch(reader.deliver, contents, number))
    return StreamingResponse(_stream(reader, end, network, closing), media_type="text/plain; charset=utf-8")


class _Reader:
    """Entries on their way to one reader."""

    def __init__(self) -> None:
        self._entries: deque[str] = deque()
        self._lost = 0
        self.arrived = asyncio.Event()

    def deliver(self, entry: str) -> None:
        if len(self._entries) >= WAITING:
            self._entries.popleft()
            self._lost += 1
        self._entries.append(entry)
        self.arrived.set()

    def take(self) -> str:
        """Return everything that waits, with line ends."""
        self.arrived.clear()
        entries, lost = list(self._entries), self._lost
        self._entries.clear()
        self._lost = 0
        if lost:
            entries.insert(0, f"# {lost} entries left out: the reader was too slow")
        return "".join(f"{entry}\n" for entry in entries)


async def _stream(
    reader: _Reader, end: Callable[[], None], network: Network, closing: asyncio.Event
) -> AsyncIterator[str]:
    closed = asyncio.create_task(closing.wait())
    try:
        yield f"# trace of {network.network_id}\n"
        while not closed.done():
            arrived = asyncio.create_task(reader.arrived.wait())
            await asyncio.wait({arrived, closed}, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            arrived.cancel()
            yield reader.take() or "#\n"
    finally:
        end()
        closed.cancel()
