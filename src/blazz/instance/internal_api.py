"""The internal HTTP interface of an instance: commands to its sessions, health."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Response
from starlette.middleware import Middleware

from blazz import __version__
from blazz.cluster import wire
from blazz.cluster.commands import SessionCommands
from blazz.instance.health import HealthFacts, HealthReport, HealthReporter
from blazz.instance.internal_groups import group_commands
from blazz.instance.internal_pairing import pairing_commands
from blazz.instance.internal_people import people_commands
from blazz.instance.ownership import OwnershipCheck
from blazz.kit import metrics
from blazz.kit.http.problems import install_problem_handlers
from blazz.kit.http.requests import RequestFrame
from blazz.kit.signing import SignedCalls, Verifier

HEALTH = "/health"
METRICS = "/metrics"
_Account = Annotated[uuid.UUID, Path()]


@dataclass(frozen=True, slots=True)
class InternalParts:
    """What answers. All of them belong to the instance."""

    commands: SessionCommands
    ownership: OwnershipCheck
    facts: Callable[[], HealthFacts]


def create_internal_app(parts: InternalParts, verifier: Verifier) -> FastAPI:
    """Return the application: everything but `/health` and `/metrics` takes signed calls only; answers are signed."""
    app = FastAPI(
        title="Blazz, internal",
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        version=__version__,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(SignedCalls, verifier=verifier, open_paths=frozenset({HEALTH, METRICS})),
            Middleware(RequestFrame, https=False),
        ],
    )
    install_problem_handlers(app)
    app.include_router(_commands(parts), prefix=wire.PREFIX)
    app.include_router(_operations(parts, verifier))
    return app


def _commands(parts: InternalParts) -> APIRouter:
    router = APIRouter(prefix="/sessions/{account_id}", dependencies=[Depends(_tell_version)])
    commands = parts.commands

    async def ours(account_id: uuid.UUID, body: wire.Command, *, certain: bool) -> None:
        await parts.ownership.require(account_id, body.epoch, certain=certain)

    @router.post("/connect")
    async def connect(account_id: _Account, body: wire.Connect) -> wire.Done:
        await ours(account_id, body, certain=True)
        await commands.connect(account_id, use_qr=body.use_qr)
        return wire.Done()

    @router.post("/disconnect")
    async def disconnect(account_id: _Account, body: wire.Command) -> wire.Done:
        await ours(account_id, body, certain=True)
        await commands.disconnect(account_id)
        return wire.Done()

    @router.post("/log_out")
    async def log_out(account_id: _Account, body: wire.Command) -> wire.Done:
        await ours(account_id, body, certain=True)
        await commands.log_out(account_id)
        return wire.Done()

    @router.post("/pairing_code")
    async def pairing_code(account_id: _Account, body: wire.AskPairingCode) -> wire.Code:
        await ours(account_id, body, certain=True)
        return wire.Code.model_validate(await commands.pairing_code(account_id, body.phone))

    @router.post("/qr")
    async def qr(account_id: _Account, body: wire.Command) -> wire.ShownQr:
        await ours(account_id, body, certain=False)
        shown = await commands.qr(account_id)
        return wire.ShownQr(qr=None if shown is None else wire.Qr.model_validate(shown))

    @router.post("/typing")
    async def typing(account_id: _Account, body: wire.Typing) -> wire.Done:
        await ours(account_id, body, certain=False)
        await commands.typing(account_id, body.address, body.state)
        return wire.Done()

    @router.post("/mark_read")
    async def mark_read(account_id: _Account, body: wire.MarkRead) -> wire.Done:
        await ours(account_id, body, certain=False)
        await commands.mark_read(account_id, body.address, body.author, body.wa_message_ids, body.at)
        return wire.Done()

    @router.post("/on_whatsapp")
    async def on_whatsapp(account_id: _Account, body: wire.AskOnWhatsApp) -> wire.AllRegistered:
        await ours(account_id, body, certain=False)
        found = await commands.on_whatsapp(account_id, body.phones)
        return wire.AllRegistered(results=[wire.Registered.model_validate(entry) for entry in found])

    router.include_router(pairing_commands(commands, partial(ours, certain=False)))
    router.include_router(people_commands(commands, partial(ours, certain=False)))
    router.include_router(group_commands(commands, partial(ours, certain=False)))
    return router


async def _tell_version(response: Response) -> None:
    response.headers[wire.VERSION_HEADER] = wire.VERSION


def _operations(parts: InternalParts, verifier: Verifier) -> APIRouter:
    router = APIRouter()
    reporter = HealthReporter(verifier.receiver)

    @router.get(METRICS)
    async def get_metrics() -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    @router.get(HEALTH)
    async def health(response: Response) -> HealthReport:
        report = reporter.report(parts.facts(), verifier.last_skew_s)
        response.status_code = 200 if report.ok else 503
        response.headers["Cache-Control"] = "no-store"
        return report

    return router
