"""Addresses of a worker for operators: alive, ready, metrics."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from blazz.events import service as events
from blazz.kit import metrics
from blazz.kit.db import Database
from blazz.kit.errors import BlazzError
from blazz.kit.health import HealthChecks


def create_app(database: Database) -> Starlette:
    """Return the application over an open database, which it does not close."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        checks = {"database": "ok"}
        try:
            await events.count(database)
        except BlazzError as error:
            checks["database"] = error.code
        checks |= await HealthChecks.shared().run()
        ready = all(result == "ok" for result in checks.values())
        content = {"status": "ready" if ready else "not ready", "checks": checks}
        return JSONResponse(content, 200 if ready else 503, {"Cache-Control": "no-store"})

    async def get_metrics(_: Request) -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/health", healthz),
            Route("/readyz", readyz),
            Route("/metrics", get_metrics),
        ]
    )
