"""Endpoints of the event log: a page of it, and a WebSocket that follows it."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, WebSocket

from blazz.events import read_after
from blazz.events.reader import PositionExpired
from blazz.identity import authentication
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.identity.origin import same_origin
from blazz.kit.errors import BlazzError
from blazz.kit.http import DatabaseDep, SettingsDep, problems
from blazz.realtime import frames
from blazz.realtime.frames import EventList, event_of
from blazz.realtime.hub import Hub
from blazz.realtime.socket import EventSocket, close

router = APIRouter(tags=["events"])
After = Annotated[int, Query(ge=0, le=frames.MAX_POSITION, description="Position of the last event that you have.")]


@router.get(
    "/events",
    summary="Events after a position, in order",
    responses=problems(401, 403, 410, 422),
)
async def list_events(
    caller: Annotated[Caller, Depends(needs("events:read"))],
    database: DatabaseDep,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> EventList:
    page = await database.read(caller.scope, read_after, caller.workspace_id, after, limit)
    return EventList(data=[event_of(row) for row in page.events], head=page.head)


@router.websocket("/events/ws")
async def follow_events(websocket: WebSocket, database: DatabaseDep, settings: SettingsDep) -> None:
    """Follow the log: `?after=N` resumes without gap or double, without it only what is new comes."""
    hub: Hub = websocket.app.state.hub
    await websocket.accept()
    if not same_origin(websocket, settings):
        await close(websocket, frames.CLOSE_FORBIDDEN, "cross origin")
        return
    try:
        after = frames.position(websocket.query_params.get("after"))
        workspace = _workspace(websocket.query_params.get("workspace"))
    except ValueError:
        await close(websocket, frames.CLOSE_BAD_REQUEST, "bad query")
        return

    async def authorise() -> Caller:
        caller = await authentication.caller(websocket, database, settings, workspace)
        caller.require("events:read")
        return caller

    try:
        caller = await authorise()
        async with hub.subscribe(caller.workspace_id, after) as (subscription, head):
            await EventSocket(websocket, subscription, authorise).serve(head)
    except PositionExpired:
        await close(websocket, frames.CLOSE_EXPIRED, "position expired")
    except BlazzError as error:
        codes = {401: frames.CLOSE_UNAUTHENTICATED, 403: frames.CLOSE_FORBIDDEN, 503: frames.CLOSE_TRY_AGAIN}
        await close(websocket, codes.get(error.status, frames.CLOSE_BAD_REQUEST), error.code)


def _workspace(text: str | None) -> str | None:
    return str(uuid.UUID(text)) if text else None
