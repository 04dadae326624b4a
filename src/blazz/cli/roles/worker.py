"""The worker role alone: housekeeping, and the failover controller (one worker leads, the others stand by)."""

from __future__ import annotations

import asyncio
import contextlib

from blazz.cli import foundation, life
from blazz.cli.console import line
from blazz.cli.options import RoleOptions
from blazz.cli.serving import HttpServer, listen, url_of
from blazz.cluster.processes import SignOfLife
from blazz.kit.settings import Settings
from blazz.worker.operations import create_app
from blazz.worker.role import Worker


class WorkerRole:
    """A worker. Two of them make a standby for the controller's leader."""

    def __init__(self, settings: Settings, options: RoleOptions) -> None:
        self.settings = settings
        self._options = options
        self._parts = contextlib.AsyncExitStack()
        self.url: str | None = None

    async def start(self) -> None:
        """Open storage and begin. Raises BlazzError; nothing is left open then."""
        settings = self.settings
        try:
            port = settings.worker_port
            listener = None if port is None else listen(settings.worker_host, port, "--port")
            if listener is not None:
                self._parts.callback(listener.close)
            base = await foundation.lay_for_role(self._parts, settings, self._options.network.network_id)
            await foundation.follow_hints(self._parts, settings.redis_url)
            sign = SignOfLife(base.database, "worker")
            self._parts.push_async_callback(sign.stop)
            sign.start()
            worker = Worker(base.database, settings, base.media_store, leader_name=sign.id)
            self._parts.push_async_callback(worker.stop)
            worker.start()
            if listener is not None:
                server = HttpServer(create_app(base.database), listener, name="worker-http")
                self._parts.push_async_callback(server.stop)
                await server.start()
                self.url = url_of(listener)
        except BaseException:
            await self._parts.aclose()
            raise

    async def drain(self, at_once: asyncio.Event) -> None:
        """A worker holds nothing: another one goes on where it stopped."""

    async def stop(self) -> None:
        """Stop everything. Idempotent."""
        await self._parts.aclose()

    async def announce(self, seconds: float) -> None:
        """Tell whoever started this that the worker runs."""
        if self._options.ready_json:
            life.ready_line(seconds, role="worker", url=self.url)
            return
        where = f" Health and metrics: {self.url}" if self.url else ""
        line(f"The worker is running (started in {seconds:.1f} s).{where}")


def run(options: RoleOptions) -> None:
    """Run a worker until a signal. Raises BlazzError when it cannot start."""
    settings = options.settings()
    role = WorkerRole(settings, options)
    life.run(settings, role, role.announce, parent_stdin=options.parent_stdin, role="worker")
