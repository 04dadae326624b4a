"""Endpoints about the network itself: faults, counters and the stream of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from whatsim.control.errors import ControlError
from whatsim.control.phones import Net
from whatsim.control.schemas import NewFault
from whatsim.control.views import Change, Cleared, Fault, Faults, Stats
from whatsim.model import NetworkEvent
from whatsim.network import Network

# Proxies and browsers give up on a silent stream after 30 to 60 seconds.
HEARTBEAT_S = 15.0
FaultId = Annotated[str, Path(min_length=1, max_length=64)]

router = APIRouter()


@router.post("/faults", status_code=201, tags=["faults"], summary="Make the network misbehave")
async def add_fault(network: Net, body: NewFault) -> Fault:
    return Fault.of(network.add_fault(body.spec()))


@router.get("/faults", tags=["faults"], summary="Active faults")
async def list_faults(network: Net) -> Faults:
    return Faults(data=[Fault.of(view) for view in network.list_faults()])


@router.delete("/faults", tags=["faults"], summary="End all faults, or one by ?id=")
async def clear_faults(
    network: Net, fault_id: Annotated[str | None, Query(alias="id", min_length=1, max_length=64)] = None
) -> Cleared:
    return Cleared(cleared=network.clear_faults(fault_id))


@router.delete("/faults/{fault_id}", tags=["faults"], summary="End one fault")
async def clear_fault(network: Net, fault_id: FaultId) -> Cleared:
    cleared = network.clear_faults(fault_id)
    if not cleared:
        raise ControlError(404, "fault_not_found", "There is no such active fault.")
    return Cleared(cleared=cleared)


@router.get("/stats", tags=["network"], summary="Counters")
async def get_stats(network: Net) -> Stats:
    return Stats.of(network.stats(), network.network_id, network.wire_address)


@router.get(
    "/events",
    tags=["network"],
    summary="Changes as server-sent events",
    description=(
        "First `ready`, then one `change` per changed phone or message. Nothing is repeated after a reconnect: "
        "read the lists again when `ready` arrives. The stream ends for a reader that falls far behind."
    ),
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The stream"}},
)
async def events(request: Request, network: Net) -> StreamingResponse:
    closing: asyncio.Event = request.app.state.closing
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(network, closing), media_type="text/event-stream", headers=headers)


async def _stream(network: Network, closing: asyncio.Event) -> AsyncIterator[str]:
    changes = network.subscribe()
    closed = asyncio.create_task(closing.wait())
    upcoming = asyncio.create_task(_next(changes))
    try:
        # The subscription must stand before the reader is told to fetch the lists.
        await asyncio.sleep(0)
        yield "retry: 1000\nevent: ready\ndata: {}\n\n"
        while True:
            await asyncio.wait({upcoming, closed}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                return
            if not upcoming.done():
                yield ": alive\n\n"
                continue
            change = upcoming.result()
            if change is None:
                return
            unread = None if change.message is None else network.get_phone(change.message.number).unread
            yield f"event: change\ndata: {Change.of(change, unread).model_dump_json()}\n\n"
            upcoming = asyncio.create_task(_next(changes))
    finally:
        closed.cancel()
        upcoming.cancel()
        await asyncio.gather(closed, upcoming, return_exceptions=True)
        close = getattr(changes, "aclose", None)
        if close is not None:
            await close()


async def _next(changes: AsyncIterator[NetworkEvent]) -> NetworkEvent | None:
    """Return the next change, or None at the stream's end."""
    return await anext(changes, None)
