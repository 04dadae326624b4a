"""The cluster for those who run the installation: what is, what happened, and what they may do about it.

Only a signed-in platform administrator gets in; API keys belong to workspaces and never do. Everything done here
leaves a row among the operations and an entry in the platform's log.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query, WebSocket

from blazz.admin import live, plan_schemas, schemas, views
from blazz.admin.schemas import InstanceName, Mode
from blazz.cluster import operations
from blazz.cluster.planner import Request as PlanRequest
from blazz.cluster.planner import plan as make_plan
from blazz.cluster.planner.data import price_table
from blazz.events import PositionExpired
from blazz.identity import authentication
from blazz.identity.caller import Person
from blazz.identity.dependencies import PlatformAdmin, require_platform_admin
from blazz.identity.origin import same_origin
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.http import (
    CursorParam,
    DatabaseDep,
    LimitParam,
    Page,
    SettingsDep,
    decode_cursor,
    encode_cursor,
    problems,
)
from blazz.realtime import frames
from blazz.realtime.socket import EventSocket, close

router = APIRouter(prefix="/admin/cluster", tags=["cluster"])
SCOPE = Platform("an administrator looks at the cluster")
ACTS = Platform("an administrator steers the cluster")
InstancePath = Annotated[InstanceName, Path(description="Name of the instance.")]
Position = Annotated[int | None, Query(ge=0, le=frames.MAX_POSITION)]


@router.get("", summary="The cluster now", responses=problems(401, 403))
async def get_cluster(admin: PlatformAdmin, database: DatabaseDep, settings: SettingsDep) -> schemas.ClusterOverview:
    """Instances with their load and state, gateways and workers, the leader, alarms, the queue and N-1."""
    return await database.read(SCOPE, views.overview, settings)


@router.get("/instances/{instance_id}", summary="One instance", responses=problems(401, 403, 404, 422))
async def get_instance(
    instance_id: InstancePath, admin: PlatformAdmin, database: DatabaseDep, settings: SettingsDep
) -> schemas.ClusterInstance:
    return await database.read(SCOPE, views.instance, instance_id, settings)


@router.post(
    "/instances/{instance_id}/drain",
    status_code=202,
    summary="Move all sessions away from an instance",
    responses=problems(401, 403, 404, 409, 422),
)
async def drain_instance(instance_id: InstancePath, admin: PlatformAdmin, database: DatabaseDep) -> schemas.Operation:
    """It accepts nothing new from now on. A drain that runs already is answered as it is."""

    def work(tx: Tx) -> schemas.Operation:
        return views.operation_views(tx, [operations.drain(tx, instance_id, _requester(admin))])[0]

    return await database.write(ACTS, work)


@router.post(
    "/instances/{instance_id}/resume",
    summary="Let an instance accept sessions again",
    responses=problems(401, 403, 404, 409, 422),
)
async def resume_instance(
    instance_id: InstancePath, admin: PlatformAdmin, database: DatabaseDep, settings: SettingsDep
) -> schemas.ClusterInstance:
    """Its drain, if one runs, is cancelled; what has moved stays where it is."""

    def work(tx: Tx) -> schemas.ClusterInstance:
        operations.resume(tx, instance_id, _requester(admin))
        return views.instance(tx, instance_id, settings)

    return await database.write(ACTS, work)


@router.get("/workspaces", summary="Which workspaces live where", responses=problems(401, 403, 404, 422))
async def list_workspace_places(
    admin: PlatformAdmin,
    database: DatabaseDep,
    instance_id: Annotated[InstanceName | None, Query(description="Only those with sessions on it.")] = None,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Page[schemas.WorkspacePlace]:
    after = decode_cursor(cursor, uuid.UUID)[0] if cursor else None
    rows = await database.read(SCOPE, views.workspace_places, instance_id, after, limit + 1)
    more = encode_cursor(rows[limit - 1].workspace_id) if len(rows) > limit else None
    return Page(data=rows[:limit], next_cursor=more)


@router.post(
    "/migrate",
    status_code=202,
    summary="Move a workspace to an instance",
    responses=problems(401, 403, 404, 409, 422),
)
async def migrate_workspace(
    body: schemas.MigrateRequest, admin: PlatformAdmin, database: DatabaseDep
) -> schemas.Operation:
    """Its sessions move one by one. The same migration that runs already is answered as it is."""

    def work(tx: Tx) -> schemas.Operation:
        asked = operations.migrate(tx, body.workspace_id, body.target_instance_id, _requester(admin))
        return views.operation_views(tx, [asked])[0]

    return await database.write(ACTS, work)


@router.get("/rebalance/preview", summary="What a rebalance would move now", responses=problems(401, 403, 422))
async def preview_rebalance(
    admin: PlatformAdmin, database: DatabaseDep, settings: SettingsDep, mode: Mode = "even"
) -> schemas.RebalancePreview:
    return await database.read(SCOPE, views.rebalance_preview, settings, mode)


@router.post("/rebalance", status_code=202, summary="Even the instances out", responses=problems(401, 403, 409, 422))
async def rebalance_cluster(
    body: schemas.RebalanceRequest, admin: PlatformAdmin, database: DatabaseDep, settings: SettingsDep
) -> schemas.Operation:
    """The plan is made anew at each step, so that it follows what happens meanwhile."""

    def work(tx: Tx) -> schemas.Operation:
        return views.operation_views(tx, [operations.rebalance(tx, settings, _requester(admin), body.mode)])[0]

    return await database.write(ACTS, work)


@router.get("/operations", summary="Drains, migrations, rebalances, failovers", responses=problems(401, 403, 422))
async def list_operations(
    admin: PlatformAdmin, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Page[schemas.Operation]:
    """Newest first: who asked, by which way, when, and what came of it."""
    before = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    rows = await database.read(SCOPE, views.operation_page, before, limit + 1)
    more = encode_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
    return Page(data=rows[:limit], next_cursor=more)


@router.get("/operations/{operation_id}", summary="One operation", responses=problems(401, 403, 404, 422))
async def get_operation(operation_id: uuid.UUID, admin: PlatformAdmin, database: DatabaseDep) -> schemas.Operation:
    return await database.read(SCOPE, views.operation, operation_id)


@router.post(
    "/operations/{operation_id}/cancel", summary="Stop an operation", responses=problems(401, 403, 404, 409, 422)
)
async def cancel_operation(operation_id: uuid.UUID, admin: PlatformAdmin, database: DatabaseDep) -> schemas.Operation:
    """What has moved stays where it is. A drained instance accepts nothing until it is resumed."""

    def work(tx: Tx) -> schemas.Operation:
        return views.operation_views(tx, [operations.cancel(tx, operation_id, _requester(admin))])[0]

    return await database.write(ACTS, work)


@router.get("/moves", summary="Sessions that got another owner", responses=problems(401, 403, 422))
async def list_moves(
    admin: PlatformAdmin,
    database: DatabaseDep,
    instance_id: Annotated[InstanceName | None, Query(description="From or to it.")] = None,
    operation_id: uuid.UUID | None = None,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Page[schemas.Move]:
    """Newest first, with the reason and how long each was away."""
    before = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    rows = await database.read(SCOPE, views.move_page, before, limit + 1, operation_id, instance_id)
    more = encode_cursor(rows[limit - 1].moved_at, rows[limit - 1].id) if len(rows) > limit else None
    return Page(data=rows[:limit], next_cursor=more)


@router.get("/queue", summary="Sessions that fit nowhere", responses=problems(401, 403, 422))
async def list_queue(
    admin: PlatformAdmin, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Page[schemas.QueueEntry]:
    """The longest waiting first. They are placed by the priority of their workspace as soon as there is room."""
    after = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    rows = await database.read(SCOPE, views.queue_page, after, limit + 1)
    more = encode_cursor(rows[limit - 1].queued_at, rows[limit - 1].account_id) if len(rows) > limit else None
    return Page(data=rows[:limit], next_cursor=more)


@router.get("/advice", summary="Whether to run more or fewer instances", responses=problems(401, 403))
async def get_advice(admin: PlatformAdmin, database: DatabaseDep) -> schemas.Advice:
    """The autoscaling signals, judged over minutes by the leading worker. Nothing is started or stopped by it."""
    return await database.read(SCOPE, views.advice)


@router.get("/plan", summary="How many instances a number of sessions needs", responses=problems(401, 403, 422))
async def get_plan(
    admin: PlatformAdmin,
    settings: SettingsDep,
    sessions: int,
    messages_per_day: float = 100.0,
    media_mb_per_day: float = 1.0,
    months: int = 12,
    instance_capacity: int = 500,
    least_instances: int = 4,
) -> plan_schemas.CapacityPlan:
    """Instances, machines and monthly cost by our own measured figures, with N-1 and 20 % spare.

    `messages_per_day` (both directions) and `media_mb_per_day` are per session.
    """
    request = PlanRequest(sessions, messages_per_day, media_mb_per_day, months, instance_capacity, least_instances)
    return plan_schemas.CapacityPlan.model_validate(make_plan(request, price_table(settings.price_table)))


@router.get("/events", summary="What happened to instances and moves", responses=problems(401, 403, 410, 422))
async def list_platform_events(
    admin: PlatformAdmin,
    database: DatabaseDep,
    after: Annotated[Position, Query(description="Events behind this position, in order.")] = None,
    before: Annotated[Position, Query(description="Without `after`: the newest below this, newest first.")] = None,
    limit: LimitParam = 50,
) -> schemas.PlatformEventList:
    """The platform's log. Its positions have no gap; no workspace sees it."""

    def work(tx: Tx) -> schemas.PlatformEventList:
        if after is not None:
            live.read_after(tx, after, 1)
        return views.events(tx, after, before, limit)

    return await database.read(SCOPE, work)


@router.websocket("/ws")
async def follow_cluster(websocket: WebSocket, database: DatabaseDep, settings: SettingsDep) -> None:
    """Follow the platform's log as the event log is followed: `?after=N` resumes without gap or double.

    Frames `ephemeral` named `cluster.changed` say that figures have changed without an event.
    """
    await websocket.accept()
    if not same_origin(websocket, settings):
        await close(websocket, frames.CLOSE_FORBIDDEN, "cross origin")
        return

    async def authorise() -> Person:
        return require_platform_admin(await authentication.person(websocket, database, settings))

    try:
        asked = frames.position(websocket.query_params.get("after"))
        await authorise()
        head = (await database.read(SCOPE, views.events, None, None, 1)).head
        if asked is not None:
            await database.read(SCOPE, live.read_after, asked, 1)
        follower = live.PlatformFollower(database, head if asked is None else asked)
        await EventSocket(websocket, follower, authorise).serve(head)
    except ValueError:
        await close(websocket, frames.CLOSE_BAD_REQUEST, "bad query")
    except PositionExpired:
        await close(websocket, frames.CLOSE_EXPIRED, "position expired")
    except BlazzError as error:
        codes = {401: frames.CLOSE_UNAUTHENTICATED, 403: frames.CLOSE_FORBIDDEN, 503: frames.CLOSE_TRY_AGAIN}
        await close(websocket, codes.get(error.status, frames.CLOSE_BAD_REQUEST), error.code)


def _requester(admin: Person) -> operations.Requester:
    return operations.Requester(admin.user_id, "page")
