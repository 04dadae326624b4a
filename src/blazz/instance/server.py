"""The internal port of an instance: bound first, so that its address can be registered, and served after that."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator

import structlog
import uvicorn

from blazz.instance.internal_api import InternalParts, create_internal_app
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.signing import InternalKeys, Receiver, Verifier, uses_tls

_log = structlog.get_logger(__name__)
_START_S = 10.0
_GRACE_S = 5  # commands under way may finish when the server stops
_BACKLOG = 512
_KEEP_ALIVE_S = 75  # longer than a caller keeps an idle connection, so that none is closed under a call


class InternalServer:
    """`bind`, register the instance under `url`, `start`, later `stop`."""

    def __init__(self, settings: Settings, keys: InternalKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._listener: socket.socket | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.url = ""
        """The address under which other processes reach this instance; known once bound."""

    def bind(self) -> str:
        """Take the port and return `url`. Callers wait, unanswered, until `start`.

        Raises BlazzError `port_taken`, `internal_url_missing`, `internal_tls_wrong` with a sentence for the operator.
        """
        settings = self._settings
        tls = uses_tls(settings)
        self._listener = _listen(settings.internal_host, settings.internal_port)
        host, port = self._listener.getsockname()[:2]
        if settings.internal_url is not None:
            self.url = settings.internal_url.rstrip("/")
        elif _everywhere(host):
            self._listener.close()
            raise BlazzError(
                "internal_url_missing",
                "Bound to all addresses, this instance does not know under which one the others reach it: "
                "set BLAZZ_INTERNAL_URL.",
                500,
            )
        else:
            self.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        if not tls and not _loopback(host):
            _log.warning("internal calls are signed but can be read on the network; consider TLS", url=self.url)
        return self.url

    async def start(self, receiver: Receiver, parts: InternalParts) -> None:
        """Answer as this instance in this generation; returns when calls are answered."""
        if self._listener is None:
            self.bind()
        assert self._listener is not None
        app = create_internal_app(parts, Verifier(self._keys, receiver))
        self._server = _Server(self._config(app))
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="internal-server")
        async with asyncio.timeout(_START_S):
            while not self._server.started:
                if self._task.done():
                    await self._task
                    raise BlazzError("internal_server_not_started", "The internal server ended while starting.", 500)
                await asyncio.sleep(0.005)
        _log.info("internal port open", url=self.url, generation=receiver.generation)

    async def stop(self) -> None:
        """Let calls under way finish, then close the port. Idempotent."""
        if self._server is not None and self._task is not None:
            await self._server.end(self._task)
            self._task = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _config(self, app: object) -> uvicorn.Config:
        settings = self._settings
        tls = {}
        if settings.internal_tls_cert is not None:
            tls = {
                "ssl_certfile": str(settings.internal_tls_cert),
                "ssl_keyfile": None if settings.internal_tls_key is None else str(settings.internal_tls_key),
                "ssl_ca_certs": None if settings.internal_tls_ca is None else str(settings.internal_tls_ca),
                "ssl_cert_reqs": ssl.CERT_NONE if settings.internal_tls_ca is None else ssl.CERT_REQUIRED,
            }
        return uvicorn.Config(
            app,  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            ws="none",
            lifespan="off",
            **tls,  # type: ignore[arg-type]
        )


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever started it."""

    closing = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.closing = True
        await super().shutdown(sockets)

    async def end(self, serving: asyncio.Task[None]) -> None:
        """End once no call is under way. Over TLS a caller that keeps an idle connection answers no farewell: such
        connections are cut."""
        self.should_exit = True
        while not serving.done():
            await asyncio.wait({serving}, timeout=0.05)
            if self.closing and not self.server_state.tasks:
                for connection in list(self.server_state.connections):
                    transport = getattr(connection, "transport", None)
                    if transport is not None and transport.get_write_buffer_size() == 0:
                        transport.abort()
        await serving


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise BlazzError(
            "port_taken",
            f"The internal port {port} on {host} cannot be used ({error.strerror}). "
            "Choose another: BLAZZ_INTERNAL_HOST, BLAZZ_INTERNAL_PORT",
            500,
        ) from error


def _everywhere(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified


def _loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
