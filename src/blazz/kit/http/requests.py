"""The outermost middleware: request id, security headers, access log, metrics, and an answer to the unexpected."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qsl, urlencode

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blazz.kit.errors import BlazzError
from blazz.kit.http.problems import internal_error, problem_response
from blazz.kit.ids import uuid7
from blazz.kit.metrics import REQUEST_SECONDS, REQUESTS

_log = structlog.get_logger("blazz.http")
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_SHOWN_QUERY = frozenset({"after", "cursor", "limit", "unread", "account_id"})  # everything else may hold secrets

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "script-src 'self'",
        "connect-src 'self' ws: wss:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
)


class RequestFrame:
    """Wraps every request. Headers that a route set itself (a stricter policy for media) are kept."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["type"] == "websocket":
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception as error:
                # whatever is raised here is a defect; the caller gets a problem, the log gets the trace
                _log.exception("request failed", method=scope["method"], path=scope["path"])
                if status:
                    raise  # the answer is cut off: the server closes the connection
                expected = error if isinstance(error, BlazzError) else internal_error()
                await problem_response(HTTPConnection(scope), expected)(scope, receive, answer)
            finally:
                _account(scope, status, time.perf_counter() - began)

    def _add_headers(self, message: Message, request_id: str) -> None:
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = request_id
        for name, value in _SECURITY_HEADERS:
            headers.setdefault(name, value)
        if self._https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _GIVEN_ID.fullmatch(given) else str(uuid7())


def route_template(scope: Scope) -> str:
    """Return the path of the route that answered, with its parameters' names; `other` when none did."""
    # the route itself knows its path below its router only; FastAPI keeps the whole one beside it
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return str(getattr(route, "path", None) or "other")


def _account(scope: Scope, status: int, seconds: float) -> None:
    route = route_template(scope)
    REQUESTS.labels(scope["method"], route, str(status)).inc()
    REQUEST_SECONDS.labels(scope["method"], route).observe(seconds)
    if scope["path"] in _QUIET:
        return
    query = scope.get("query_string", b"")
    shown = urlencode([pair for pair in parse_qsl(query.decode("latin-1")) if pair[0] in _SHOWN_QUERY]) if query else ""
    _log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        ms=round(seconds * 1000, 1),
        **({"query": shown} if shown else {}),
    )
