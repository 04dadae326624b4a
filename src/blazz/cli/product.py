"""All roles in one process: the composition behind `blazz up`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import Any

from blazz.cli import foundation
from blazz.cli.serving import HttpServer, listen, proxies_of, url_of
from blazz.engine_client import NetworkSettings
from blazz.gateway.app import NetworkInfo, create_app
from blazz.instance.role import Instance
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database
from blazz.kit.settings import Settings
from blazz.kit.valkey import PrivateValkey
from blazz.media.store import MediaStore
from blazz.worker.role import Worker


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

    def facts(self) -> dict[str, Any]:
        """Return what a parent may want to know of a running product."""
        return {"engine_pid": self.instance.supervisor.keeper.pid}

    async def drain(self, at_once: asyncio.Event) -> None:
        """There is nobody to move sessions to."""

    async def stop(self) -> None:
        """Stop everything. Idempotent."""
        await self._parts.aclose()

    async def _start(self) -> None:
        settings = self.settings
        listener = listen(settings.host, settings.port)
        self._parts.callback(listener.close)
        base = await foundation.lay(self._parts, settings, self._options.network.network_id)
        self.database, self.secret_box, self.media_store = base.database, base.secret_box, base.media_store
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
        worker = Worker(self.database, settings, self.media_store)
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
            await foundation.follow_hints(self._parts, url)

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
        server = HttpServer(app, listener, name="gateway", trusted_proxies=proxies_of(self.settings))
        self._parts.push_async_callback(server.stop)
        await server.start()
        self.url = self.settings.public_url or url_of(listener)
