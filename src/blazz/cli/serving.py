"""An application served on a socket that was bound before anything else began."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

BACKLOG = 2048
_START_S = 20.0
_GRACE_S = 5  # requests under way may finish when the server stops


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves `app` on `listener` between `start` and `stop`; the socket stays the caller's.

    Whoever is among `trusted_proxies` (addresses, networks, comma separated) may say for whom it asks.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, *, name: str, trusted_proxies: str | None = None) -> None:
        self._listener = listener
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=trusted_proxies is not None,
                forwarded_allow_ips=trusted_proxies,
                backlog=BACKLOG,
                timeout_graceful_shutdown=_GRACE_S,
                ws_max_size=64 * 1024,
                lifespan="on",
            )
        )

    async def start(self) -> None:
        """Return when requests are answered. Raises BlazzError `server_not_started`, or what the application raised."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name=self._name)
        async with asyncio.timeout(_START_S):
            while not self._server.started:
                if self._task.done():
                    await self._task
                    raise BlazzError("server_not_started", "The HTTP server ended while starting.", 500)
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Let requests under way finish, then end. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """Return a bound socket: a taken port is told before anything else is started.

    Raises BlazzError `port_taken`, which names the `option` to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise BlazzError(
            "port_taken", f"Port {port} on {host} cannot be used ({error.strerror}). Choose another: {option}", 500
        ) from error


def inherited(descriptor: int) -> socket.socket:
    """Return the listening socket that the parent process left open for this one."""
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise BlazzError("no_listener", f"There is no socket under descriptor {descriptor}.", 500) from error


def proxies_of(settings: Settings) -> str | None:
    """Return the load balancers to believe: none when people reach this server directly."""
    return settings.trusted_proxies if settings.public_url is not None else None


def url_of(listener: socket.socket) -> str:
    """Return the address of a bound socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
