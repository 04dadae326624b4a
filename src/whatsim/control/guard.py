"""The door of the control API: only this machine's own pages and programs get in, and only with bodies of bounded size.

The API has no password because it listens on the loopback interface. A web page from elsewhere could still reach it
through the visitor's browser, so every request must name a loopback host (against DNS rebinding) and, when a browser
says where it comes from, come from the very page that this server delivered (against cross-site requests).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whatsim.control.errors import problem

SMALL_BODY = 64 * 1024
# 16 MiB of media become 21.4 MiB of base64; the rest is room for the JSON around them.
MESSAGE_BODY = 23 * 1024 * 1024

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """ASGI middleware that checks Host, Origin and body size, and adds security headers to every answer."""

    def __init__(self, app: ASGIApp, extra_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._extra_hosts = frozenset(host.lower() for host in extra_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        sender = _with_headers(send)
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            code, detail = refusal
            await problem(403, code, detail)(scope, receive, sender)
            return
        limit = MESSAGE_BODY if scope["path"].endswith(("/messages", "/profile")) else SMALL_BODY
        body = await _read_body(headers, receive, limit)
        if body is None:
            detail = f"The body is larger than {limit} bytes."
            await problem(413, "body_too_large", detail)(scope, receive, sender)
            return
        await self._app(scope, _replay(body, receive), sender)

    def _refusal(self, method: str, headers: Headers) -> tuple[str, str] | None:
        host = headers.get("host", "")
        if not self._is_own_host(host):
            return "host_refused", "The simulated network answers only under a loopback host name."
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return "origin_refused", "Requests from pages of other origins are refused."
        # A link from another page may open this one; nothing else may be asked for from outside.
        foreign = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
        navigation = method in {"GET", "HEAD"} and headers.get("sec-fetch-mode") == "navigate"
        if foreign and not navigation:
            return "origin_refused", "Requests from pages of other origins are refused."
        return None

    def _is_own_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        return name in self._extra_hosts or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Return whether `host` (a name or an address without port) can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _read_body(headers: Headers, receive: Receive, limit: int) -> bytes | None:
    """Return the request's whole body, or None when it is longer than `limit` bytes."""
    declared = headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive channel that hands out `body` once and then what the server says (a disconnect)."""
    delivered = False

    async def channel() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return channel


def _with_headers(send: Send) -> Send:
    async def channel(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            missing = [(name, value) for name, value in SECURITY_HEADERS if name not in present]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return channel
