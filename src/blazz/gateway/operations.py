"""Addresses for operators: alive, ready, metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from blazz.events import service as events
from blazz.kit import metrics
from blazz.kit.errors import BlazzError
from blazz.kit.health import HealthChecks
from blazz.kit.http import DatabaseDep

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> PlainTextResponse:
    """The process answers."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def readyz(request: Request, database: DatabaseDep) -> JSONResponse:
    """The database and every part that added a check answer."""
    checks = {"database": "ok"}
    try:
        await events.count(database)
    except BlazzError as error:
        checks["database"] = error.code
    checks |= await HealthChecks.shared().run()
    ready = all(result == "ok" for result in checks.values())
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "checks": checks},
        200 if ready else 503,
        {"Cache-Control": "no-store"},
    )


@router.get("/metrics")
async def get_metrics(database: DatabaseDep) -> Response:
    """Prometheus' text format."""
    try:
        EVENTS.set(await events.count(database))
    except BlazzError:
        EVENTS.set(float("nan"))
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


EVENTS = metrics.gauge("event_log_positions", "Events given a position so far, all workspaces together.")
