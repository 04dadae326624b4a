"""The instance role alone: an engine host and its sessions, commanded by gateways over the internal port."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from blazz.cli import foundation, life
from blazz.cli.console import line
from blazz.cli.options import RoleOptions
from blazz.instance.release import release, require_noted, supervisor_lock
from blazz.instance.role import Instance
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

_log = structlog.get_logger(__name__)
_FORMER_S = 30.0  # a former process of this name whose parent was killed ends by itself
_RELEASE_MARGIN_S = 2.0  # beyond the lease, after which an engine host without heartbeats has ended


class InstanceRole:
    """An instance, its engine host, and the port on which gateways command it."""

    def __init__(self, settings: Settings, options: RoleOptions) -> None:
        self.settings = settings
        self._options = options
        self._parts = contextlib.AsyncExitStack()
        self.instance: Instance

    async def start(self) -> None:
        """Take this instance's name on this machine, open storage, begin. Raises BlazzError; nothing is left open."""
        settings = self.settings
        try:
            network = self._options.network.settings()
            await self._parts.enter_async_context(supervisor_lock(settings, timeout_s=_FORMER_S))
            base = await foundation.lay_for_role(self._parts, settings, network.network_id)
            await foundation.follow_hints(self._parts, settings.redis_url)
            self.instance = Instance(
                database=base.database,
                settings=settings,
                network=network,
                secret_box=base.secret_box,
                media_store=base.media_store,
                internal_keys=base.internal_keys,
            )
            self._parts.push_async_callback(self.instance.stop)
            await self.instance.start()
        except BaseException:
            await self._parts.aclose()
            raise

    async def drain(self, at_once: asyncio.Event) -> None:
        """Move the sessions to other instances, within the time that the settings allow and until `at_once` is set."""
        draining = asyncio.create_task(self.instance.drain(self.settings.drain_timeout_s), name="drain")
        hurrying = asyncio.create_task(at_once.wait(), name="second-signal")
        await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, hurrying):
            task.cancel()
        results = await asyncio.gather(draining, hurrying, return_exceptions=True)
        if isinstance(results[0], Exception):
            _log.warning("drain ended early", error=repr(results[0]))

    async def stop(self) -> None:
        """Stop everything. Idempotent."""
        await self._parts.aclose()

    async def fenced(self) -> BlazzError:
        """Wait until another process has this instance's name; returns the error to end with."""
        await self.instance.supervisor.fenced.wait()
        return BlazzError(
            "fenced",
            f"Another process runs as {self.settings.instance_id}; give each instance a name of its own "
            "(BLAZZ_INSTANCE_ID).",
            503,
        )

    async def announce(self, seconds: float) -> None:
        """Tell whoever started this what runs."""
        instance = self.instance
        if self._options.ready_json:
            life.ready_line(
                seconds,
                role="instance",
                instance_id=self.settings.instance_id,
                generation=instance.registration.generation,
                internal_url=instance.internal_url,
                engine_pid=instance.supervisor.keeper.pid,
            )
            return
        line(
            f"The instance {self.settings.instance_id} is running (started in {seconds:.1f} s), "
            f"internal address {instance.internal_url}."
        )


def run(options: RoleOptions) -> None:
    """Run an instance until a signal. Raises BlazzError when it cannot start."""
    settings = options.settings()
    role = InstanceRole(settings, options)
    life.run(
        settings,
        role,
        role.announce,
        parent_stdin=options.parent_stdin,
        role=settings.instance_id,
        broken=role.fenced,
    )


def run_release(options: RoleOptions) -> bool:
    """Write the release record of the instance that ran here last; False when a newer start has taken its name."""
    settings = options.settings()

    async def work() -> bool:
        async with contextlib.AsyncExitStack() as parts:
            foundation.require_server(settings)
            require_noted(settings)
            database = await foundation.open_database(parts, settings)
            return await release(database, settings, timeout_s=settings.lease_s + _RELEASE_MARGIN_S)

    return asyncio.run(work())
