"""The gateway role alone: HTTP API, web application and event stream, over instances that are somewhere else."""

from __future__ import annotations

import asyncio
import contextlib

from blazz.cli import foundation, life
from blazz.cli.console import line, link
from blazz.cli.options import RoleOptions
from blazz.cli.serving import HttpServer, inherited, listen, proxies_of, url_of
from blazz.cluster.internal_client import InternalClient
from blazz.cluster.processes import SignOfLife
from blazz.cluster.remote import RemoteCommands
from blazz.cluster.routing import OwnerDirectory
from blazz.gateway.app import NetworkInfo, create_app
from blazz.identity import service as identity
from blazz.kit.settings import Settings
from blazz.kit.signing import caller_tls, uses_tls


class GatewayRole:
    """A gateway. Any number of them serve every workspace, behind any load balancer."""

    def __init__(self, settings: Settings, options: RoleOptions) -> None:
        self.settings = settings
        self._options = options
        self._parts = contextlib.AsyncExitStack()
        self._setup_code: str | None = None
        self.url = ""

    async def start(self) -> None:
        """Bind first, then open storage and serve. Raises BlazzError; nothing is left open then."""
        settings, network = self.settings, self._options.network
        try:
            descriptor = self._options.listen_fd
            listener = listen(settings.host, settings.port) if descriptor is None else inherited(descriptor)
            self._parts.callback(listener.close)
            base = await foundation.lay_for_role(self._parts, settings, network.network_id)
            await foundation.follow_hints(self._parts, settings.redis_url)
            commands = await self._commands(base)
            app = create_app(
                database=base.database,
                settings=settings,
                commands=commands,
                secret_box=base.secret_box,
                media_store=base.media_store,
                network=NetworkInfo(network.network_id, network.simulated, network.phones_url),
            )
            server = HttpServer(app, listener, name="gateway", trusted_proxies=proxies_of(settings))
            self._parts.push_async_callback(server.stop)
            await server.start()
            sign = SignOfLife(base.database, "gateway")
            self._parts.push_async_callback(sign.stop)
            sign.start()
            self._setup_code = await identity.ensure_setup_code(base.database, settings.data_dir)
            self.url = url_of(listener)
        except BaseException:
            await self._parts.aclose()
            raise

    async def _commands(self, base: foundation.Foundation) -> RemoteCommands:
        """Reach every session wherever it is."""
        directory = OwnerDirectory(base.database)
        self._parts.push_async_callback(directory.stop)
        await directory.start()
        tls = caller_tls(self.settings) if uses_tls(self.settings) else None
        client = InternalClient(base.internal_keys, tls=tls)
        self._parts.push_async_callback(client.close)
        return RemoteCommands(directory, client)

    async def drain(self, at_once: asyncio.Event) -> None:
        """Requests under way finish when the server stops; clients of the event stream go on at another gateway."""

    async def stop(self) -> None:
        """Stop everything. Idempotent."""
        await self._parts.aclose()

    async def announce(self, seconds: float) -> None:
        """Tell whoever started this where the gateway is."""
        if self._options.ready_json:
            life.ready_line(seconds, role="gateway", url=self.url, setup_code=self._setup_code)
            return
        line(f"The gateway is running (started in {seconds:.1f} s).")
        if self._setup_code is not None:
            link("Create the owner", f"{self.settings.public_url or self.url}/setup#code={self._setup_code}")
        else:
            link("Open", self.settings.public_url or self.url)


def run(options: RoleOptions) -> None:
    """Run a gateway until a signal. Raises BlazzError when it cannot start."""
    settings = options.settings()
    role = GatewayRole(settings, options)
    life.run(settings, role, role.announce, parent_stdin=options.parent_stdin, role="gateway")
