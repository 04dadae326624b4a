"""Every role in a process of its own on this machine: `blazz up --instances N`, and `blazz up` on a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Any

import structlog

from blazz.cli import foundation
from blazz.cli.fleet.child import Child, ChildSpec
from blazz.cli.fleet.mode import claim_mode
from blazz.cli.fleet.servers import keep_postgres, keep_valkey
from blazz.cli.fleet.size import FleetSize
from blazz.cli.options import NetworkOptions
from blazz.cli.serving import listen, url_of
from blazz.instance.release import release
from blazz.kit.db import Database
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

_log = structlog.get_logger(__name__)
_RELEASE_MARGIN_S = 2.0
_FORMER_S = 3.0


class Fleet:
    """A running fleet. `start` returns when all roles are ready; `stop` ends them in an order that loses nothing."""

    def __init__(self, settings: Settings, network: NetworkOptions, size: FleetSize) -> None:
        # children have the same files, wherever they are started from
        self.settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
        self._network = network
        self._size = size
        self._parts = contextlib.AsyncExitStack()
        self._environment: dict[str, str] = {}
        self.children: dict[str, Child] = {}
        self.database: Database
        self.url = ""

    async def start(self) -> None:
        """Start the servers, bring the schema up to date, then instances, gateways and workers.

        Raises BlazzError with a sentence for the operator; nothing is left running then.
        """
        try:
            await self._start()
        except BaseException:
            await self._parts.aclose()
            raise

    async def drain(self, at_once: asyncio.Event) -> None:
        """All instances end together: there is nobody to move sessions to."""

    async def stop(self) -> None:
        """Stop everything. Idempotent."""
        await self._parts.aclose()

    def facts(self) -> dict[str, Any]:
        """Return what a parent may want to know: each role's own ready line, by name."""
        return {"roles": {name: child.ready for name, child in self.children.items()}}

    async def _start(self) -> None:
        settings = self.settings
        listener = await _listen(settings.host, settings.port)
        self._parts.callback(listener.close)
        if settings.database_url is None:
            await asyncio.to_thread(claim_mode, settings.data_dir, "instances")
            url = await keep_postgres(self._parts, settings.data_dir / "postgres")
            settings = self.settings = settings.model_copy(update={"database_url": url})
        base = await foundation.lay(self._parts, settings, self._network.network_id)
        self.database = base.database
        redis_url = settings.redis_url
        if redis_url is None and settings.valkey:
            redis_url = await keep_valkey(self._parts, settings.data_dir / "run")
        self._environment = {
            "BLAZZ_DATA_DIR": str(settings.data_dir),
            "BLAZZ_DATABASE_URL": str(settings.database_url),
            "BLAZZ_HOST": settings.host,
        }
        if redis_url is not None:
            self._environment["BLAZZ_REDIS_URL"] = redis_url
        await self._start_roles(listener)
        self.url = settings.public_url or url_of(listener)

    async def _start_roles(self, listener: socket.socket) -> None:
        size = self._size
        # they end the other way round: workers, who would move the sessions of ending instances; gateways; instances
        instances = self._kept(self._instances())
        gateways = self._kept([self._role("gateway", number, listener) for number in range(size.gateways)])
        await _start_all([*instances, *gateways])
        # a worker that runs before all instances are back would take the late ones for gone
        workers = self._kept([self._role("worker", number) for number in range(size.workers)])
        await _start_all(workers)

    def _kept(self, children: list[Child]) -> list[Child]:
        """Remember children that are about to start, to be ended together."""

        async def stop() -> None:
            await asyncio.gather(*(child.stop() for child in children))

        self._parts.push_async_callback(stop)
        self.children |= {child.spec.name: child for child in children}
        return children

    def _instances(self) -> list[Child]:
        if self._size.instances == 1:
            # alone on this machine: name and internal address are those that the operator set
            url = self.settings.internal_url
            return [self._instance(self.settings.instance_id, {} if url is None else {"BLAZZ_INTERNAL_URL": url})]
        # ports of their own: what is set for one instance on a machine would clash here
        ports = {"BLAZZ_INTERNAL_HOST": "127.0.0.1", "BLAZZ_INTERNAL_PORT": "0"}
        return [self._instance(f"instance-{number}", ports) for number in range(self._size.instances)]

    def _instance(self, name: str, own: dict[str, str]) -> Child:
        environment = {**self._environment, "BLAZZ_INSTANCE_ID": name, **own}
        spec = ChildSpec(name, ("instance", *self._network.arguments()), environment)
        return Child(spec, self._instance_reaped)

    def _role(self, role: str, number: int, listener: socket.socket | None = None) -> Child:
        arguments: tuple[str, ...] = (role, *self._network.arguments())
        sockets: tuple[int, ...] = ()
        if listener is not None:
            # all gateways accept from one socket: they share its address, and one that dies is not missed
            arguments = (*arguments, "--listen-fd", str(listener.fileno()))
            sockets = (listener.fileno(),)
        environment = {**self._environment, "BLAZZ_WORKER_HOST": "127.0.0.1", "BLAZZ_WORKER_PORT": "0"}
        return Child(ChildSpec(f"{role}-{number}", arguments, environment, sockets))

    async def _instance_reaped(self, child: Child) -> None:
        """An instance's process is gone; once its engine host is as well, its sessions may move at once."""
        settings = self.settings.model_copy(update={"instance_id": child.spec.name})
        try:
            released = await release(self.database, settings, timeout_s=settings.lease_s + _RELEASE_MARGIN_S)
        except BlazzError as error:
            _log.warning("no release record; the lease decides", name=child.spec.name, reason=str(error))
        else:
            _log.info("an instance is proven gone", name=child.spec.name, recorded=released)


async def _listen(host: str, port: int) -> socket.socket:
    """Bind; gateways of a parent that was just killed give the address back when they notice."""
    deadline = time.monotonic() + _FORMER_S
    while True:
        try:
            return listen(host, port)
        except BlazzError:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(0.1)


async def _start_all(children: list[Child]) -> None:
    """Start together; when one cannot, the others are not waited for."""
    starting = [asyncio.create_task(child.start(), name=f"start-{child.spec.name}") for child in children]
    try:
        await asyncio.gather(*starting)
    finally:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
