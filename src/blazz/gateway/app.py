"""The gateway's application: every domain's routes, the event stream, the web application, operators' addresses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from blazz import __version__
from blazz.accounts.endpoints import router as accounts
from blazz.accounts.pairing_endpoints import router as account_pairing
from blazz.accounts.profile_endpoints import router as account_profiles
from blazz.admin.endpoints import router as admin
from blazz.cluster.commands import SessionCommands
from blazz.contacts.endpoints import router as contacts
from blazz.gateway import operations
from blazz.gateway.docs_page import render
from blazz.gateway.openapi import install_openapi
from blazz.gateway.site import Site, find_site
from blazz.groups.endpoints import router as groups
from blazz.identity.authentication import key_usage
from blazz.identity.cache import follow_others
from blazz.identity.cookies import is_https
from blazz.identity.endpoints import router as identity
from blazz.identity.throttle import Throttle
from blazz.kit import metrics
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database
from blazz.kit.errors import BlazzError
from blazz.kit.http import NetworkInfo
from blazz.kit.http.limits import BodyLimit
from blazz.kit.http.problems import install_problem_handlers
from blazz.kit.http.requests import RequestFrame
from blazz.kit.settings import Settings
from blazz.media.endpoints import router as media
from blazz.media.store import MediaStore
from blazz.messaging.endpoints import router as messaging
from blazz.messaging.state_endpoints import router as messaging_state
from blazz.realtime.endpoints import router as realtime
from blazz.realtime.hub import Hub
from blazz.workspaces.endpoints import router as workspaces

__all__ = ["NetworkInfo", "create_app", "openapi_document"]

_log = structlog.get_logger(__name__)
_KEY_USAGE_S = 60.0
_UPLOADS = frozenset({"/api/v1/media"})
_SOCKETS = metrics.gauge("websocket_subscribers", "WebSockets that follow the event log.")


def create_app(
    *,
    database: Database,
    settings: Settings,
    commands: SessionCommands,
    secret_box: SecretBox,
    media_store: MediaStore,
    network: NetworkInfo,
) -> FastAPI:
    """Return the application over open parts, which it does not close."""
    app = _routes(settings)
    hub = Hub(database)
    _SOCKETS.set_function(lambda: hub.sockets)
    for name, part in {
        "database": database,
        "settings": settings,
        "commands": commands,
        "secret_box": secret_box,
        "media_store": media_store,
        "network": network,
        "hub": hub,
        "throttle": Throttle(settings.redis_url),
    }.items():
        setattr(app.state, name, part)
    return app


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; needs neither a database nor settings."""
    return _routes(Settings.model_construct()).openapi()


def _routes(settings: Settings) -> FastAPI:
    app = FastAPI(
        title="Blazz",
        # the framework's own would record what people wrote, and costs 4 % of a request's CPU
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=_lifespan,
        middleware=[
            Middleware(RequestFrame, https=is_https(settings)),
            Middleware(BodyLimit, upload_max_bytes=settings.media_max_bytes, upload_paths=_UPLOADS),
        ],
    )
    install_problem_handlers(app)
    # matched one after the other: what is asked most comes first
    for router in (
        messaging,
        messaging_state,
        media,
        realtime,
        accounts,
        account_pairing,
        account_profiles,
        contacts,
        groups,
        identity,
        workspaces,
        admin,
    ):
        app.include_router(router, prefix="/api/v1")
    app.include_router(operations.router)
    install_openapi(app)
    page: list[str] = []

    @app.get("/api/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        if not page:
            page.append(render(app.openapi()))
        return HTMLResponse(page[0])

    app.router.default = Site(find_site())
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    recorder = asyncio.create_task(_record_key_usage(app.state.database), name="key-usage")
    forget_no_more = follow_others()
    try:
        yield
    finally:
        forget_no_more()
        recorder.cancel()
        await asyncio.gather(recorder, return_exceptions=True)
        await app.state.hub.stop()
        with contextlib.suppress(BlazzError):
            await key_usage.flush(app.state.database)


async def _record_key_usage(database: Database) -> None:
    while True:
        await asyncio.sleep(_KEY_USAGE_S)
        try:
            await key_usage.flush(database)
        except BlazzError as error:
            _log.warning("last use of keys not stored", code=error.code)
