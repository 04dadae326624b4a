"""The control API as an ASGI application: routers, error rendering, the page of phones, the OpenAPI document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from whatsim.control import faults, groups, messages, people, phones, rules, settings, trace
from whatsim.control.errors import PROBLEM_MEDIA_TYPE, ControlError, problem
from whatsim.control.guard import Guard
from whatsim.control.product import ProductSwitch
from whatsim.control.product import router as product_router
from whatsim.model import LinkRefused, WhatsimError
from whatsim.network import Network

PAGE_DIR = Path(__file__).resolve().parent.parent / "page"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}

_STATUS = {
    "phone_not_found": 404,
    "message_not_found": 404,
    "device_not_found": 404,
    "group_not_found": 404,
    "group_refused": 409,
    "phone_exists": 409,
    "link_refused": 409,
    "invalid_number": 422,
    "invalid_content": 422,
    "invalid_fault": 422,
    "invalid_rule": 422,
    "call_not_found": 404,
}
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}

_log = logging.getLogger(__name__)


def create_app(
    network: Network,
    product: ProductSwitch | None = None,
    *,
    allow_paths: Path | None = None,
    extra_hosts: Iterable[str] = (),
) -> FastAPI:
    """Return the application for one open network.

    With `product` the page shows a button that stops and starts the program under trial. Pictures may be sent
    by path only from beneath `allow_paths`. Requests must name a loopback host or one of `extra_hosts`.
    """
    app = FastAPI(title="Simulated WhatsApp network: control API", version="1", docs_url=None, redoc_url=None)
    app.state.network = network
    app.state.product = product
    app.state.allow_paths = allow_paths
    app.state.closing = asyncio.Event()
    app.add_middleware(Guard, extra_hosts=extra_hosts)
    app.add_exception_handler(ControlError, _on_control_error)
    app.add_exception_handler(WhatsimError, _on_network_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_failure)
    for part in (phones, messages, groups, people, settings, faults, trace, rules):
        app.include_router(part.router)
    app.include_router(product_router)
    app.add_api_route("/", _index, include_in_schema=False)
    app.mount("/page", _PageFiles(directory=PAGE_DIR))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


class _PageFiles(StaticFiles):
    """The page's files, revalidated at every load so that an upgrade shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(PAGE_HEADERS)
        return response


async def _index() -> FileResponse:
    return FileResponse(PAGE_DIR / "index.html", headers=PAGE_HEADERS)


async def _on_control_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ControlError)
    return problem(error.status, error.code, error.detail, error.errors)


async def _on_network_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WhatsimError)
    reason = ({"field": "link", "message": str(error), "code": error.reason},) if isinstance(error, LinkRefused) else ()
    return problem(_STATUS.get(error.code, 400), error.code, str(error) or error.code, reason)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [
        {
            "field": ".".join(str(part) for part in entry["loc"] if part != "body") or "body",
            "message": str(entry["msg"]).removeprefix("Value error, "),
            "code": str(entry["type"]),
        }
        for entry in error.errors()[:20]
    ]
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in fields[:3])
    return problem(422, "invalid_request", detail or "The request is not valid.", fields)


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    response = problem(error.status_code, _HTTP_CODES.get(error.status_code, "http_error"), str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _on_failure(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "internal_error", "The simulated network failed to answer; its log says why.")


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document, in which every refusal is a problem document."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    text = {"type": "string"}
    field = {"type": "object", "properties": {"field": text, "message": text, "code": text}}
    schemas["Problem"] = {
        "type": "object",
        "description": "Problem details (RFC 9457) with a stable code.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            **dict.fromkeys(("type", "title", "detail", "code"), text),
            "status": {"type": "integer"},
            "errors": {"type": "array", "items": field},
        },
    }
    refusal = {
        "description": "Refused; `code` says why",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["4XX"] = refusal
    app.openapi_schema = document
    return document
