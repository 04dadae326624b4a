"""All roles in one process: the composition behind `blazz up`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn

from blazz import migrations
from blazz.engine_client import NetworkSettings
from blazz.gateway.app import NetworkInfo, create_app
from blazz.instance.role import Instance
from blazz.kit.crypto import SecretBox, load_or_create_key
from blazz.kit.db import Database
from blazz.kit.db.installation import claim_network
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.kit.valkey import PrivateValkey
from blazz.media.store import MediaStore
from blazz.realtime.valkey import ValkeyBridge
from blazz.worker.role import Worker

_START_S = 20.0
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class ProductOptions:
    """What the composition needs besides the settings."""

    network: NetworkSettings
    phones_url: str | None = None


class Product:
    """A running Blazz. `start` returns when requests are answered; `stop` ends every part in reverse order."""

    def __init__(self, settings: Settings, options: ProductOptions) -> None:
        self.settings = settings
        self._options = options
        self._parts = contextlib.AsyncExitStack()
        self.database: Database
        self.instance: Instance
        self.media_store: MediaStore
        self.secret_box: SecretBox
        self.url = ""

    async def start(self) -> None:
        """Open storage, check that it belongs to this network, then start valkey, instance, worker and gateway.

        Raises BlazzError with a sentence for the operator; nothing is left running then.
        """
        try:
            await self._start()
        except BaseException:
            await self._parts.aclose()
            raise

    async def stop(self) -> None:
        """Stop everything. Idempotent."""
        await self._parts.aclose()

    async def _start(self) -> None:
        settings = self.settings
        private_directory(settings.data_dir)
        listener = _listen(settings.host, settings.port)
        self._parts.callback(listener.close)
        await asyncio.to_thread(migrations.upgrade, settings.database_path)
        self.database = Database.open(settings.database_path)
        self._parts.push_async_callback(self.database.close)
        await claim_network(self.database, settings.data_dir, self._options.network.network_id)
        self.secret_box = SecretBox(load_or_create_key(settings.data_dir / "secret.key", settings.secret_key))
        self.media_store = MediaStore.open(settings.media_dir)
        await self._start_valkey()
        self.instance = Instance(
            database=self.database,
            settings=settings,
            network=self._options.network,
            secret_box=self.secret_box,
            media_store=self.media_store,
        )
        self._parts.push_async_callback(self.instance.stop)
        await self.instance.start()
        worker = Worker(self.database, settings)
        self._parts.push_async_callback(worker.stop)
        worker.start()
        await self._start_gateway(listener)

    async def _start_valkey(self) -> None:
        settings = self.settings
        url = settings.redis_url
        if url is None and settings.valkey:
            valkey = await PrivateValkey.start(settings.data_dir / "run")
            self._parts.push_async_callback(valkey.stop)
            url = valkey.url
        if url is not None:
            bridge = ValkeyBridge(url)
            self._parts.push_async_callback(bridge.stop)
            await bridge.start()

    async def _start_gateway(self, listener: socket.socket) -> None:
        network = self._options.network
        app = create_app(
            database=self.database,
            settings=self.settings,
            commands=self.instance.commands,
            secret_box=self.secret_box,
            media_store=self.media_store,
            network=NetworkInfo(
                id=network.network_id, simulated=network.kind == "simulated", phones_url=self._options.phones_url
            ),
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=self.settings.public_url is not None,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=5,
            ws_max_size=64 * 1024,
            lifespan="on",
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="gateway")

        async def end() -> None:
            server.should_exit = True
            await task

        self._parts.push_async_callback(end)
        async with asyncio.timeout(_START_S):
            while not server.started:
                if task.done():
                    await task
                    raise BlazzError("gateway_not_started", "The HTTP server ended while starting.", 500)
                await asyncio.sleep(0.01)
        host, port = listener.getsockname()[:2]
        self.url = self.settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    """Bind first: a taken port is told before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise BlazzError(
            "port_taken", f"Port {port} on {host} cannot be used ({error.strerror}). Choose another: --port", 500
        ) from error
