"""The instance role: the engine host, its sessions, and everything that flows in and out of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from functools import partial
from pathlib import Path

from blazz import __version__
from blazz.cluster import operations
from blazz.cluster import service as cluster
from blazz.cluster.commands import SessionCommands
from blazz.engine_client import EngineOptions, NetworkSettings
from blazz.engine_client.binary import find_engine_binary
from blazz.instance.health import HealthFacts
from blazz.instance.internal_api import InternalParts
from blazz.instance.ownership import OwnershipCheck
from blazz.instance.release import note_generation, place_of
from blazz.instance.server import InternalServer
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.health import HealthChecks
from blazz.kit.settings import Settings
from blazz.kit.signing import InternalKeys, Receiver
from blazz.media.store import MediaStore
from blazz.providers.whatsapp_web import WhatsAppWeb
from blazz.sessions.adoption import Adoption
from blazz.sessions.calls import CallDesk
from blazz.sessions.channels import ChannelNames
from blazz.sessions.commands import InProcessCommands
from blazz.sessions.downloads import Downloads
from blazz.sessions.figures import machine
from blazz.sessions.groups import NEWS as GROUP_NEWS
from blazz.sessions.groups import GroupKeeper
from blazz.sessions.history import HistoryImports
from blazz.sessions.ingest import Ingest
from blazz.sessions.outbox import Outbox
from blazz.sessions.people import People
from blazz.sessions.people_news import NEWS as PEOPLE_NEWS
from blazz.sessions.people_news import PeopleNews
from blazz.sessions.pictures import Pictures
from blazz.sessions.presence import PresenceKeeper
from blazz.sessions.registry import Session
from blazz.sessions.shared_state import NEWS as STATE_NEWS
from blazz.sessions.shared_state import SharedState
from blazz.sessions.storage.chore import StorageChore
from blazz.sessions.storage.database import DatabaseStorage, DatabaseStorageChore, require_kind
from blazz.sessions.storage.watch import StorageWatch
from blazz.sessions.supervisor import Supervisor
from blazz.sessions.uploads import Uploads

_SENDS_S = 5.0  # sends under way may finish when the instance stops
_DRAIN_POLL_S = 0.25


class Instance:
    """Runs the sessions that this process owns. Construct, `start`, later `stop`.

    With `internal_keys` it takes signed commands of other processes on a port of its own, `internal_url`.
    """

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        network: NetworkSettings,
        secret_box: SecretBox,
        media_store: MediaStore,
        internal_keys: InternalKeys | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._network = network
        self._secret_box = secret_box
        self._media_store = media_store
        self._parts = contextlib.AsyncExitStack()
        self._commands: SessionCommands | None = None
        self._server = None if internal_keys is None else InternalServer(settings, internal_keys)
        self.registration: cluster.Registration
        self.storage: StorageWatch | DatabaseStorage
        self.supervisor: Supervisor
        self.ingest: Ingest
        self.outbox: Outbox
        self.downloads: Downloads
        self.presence: PresenceKeeper

    @property
    def commands(self) -> SessionCommands:
        """What the gateway may ask of the sessions here; there once the instance has started."""
        if self._commands is None:
            raise RuntimeError("the instance has not been started")
        return self._commands

    @property
    def internal_url(self) -> str:
        """Where other processes reach this instance; empty when it shares a process with the gateway."""
        return "" if self._server is None else self._server.url

    async def start(self) -> None:
        """Register, start the engine host, begin to receive and send. Sessions connect in the background.

        Raises BlazzError when the engine host cannot start; nothing is left running then.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what is being sent, disconnect all sessions and say so. Idempotent."""
        await self._parts.aclose()

    async def drain(self, timeout_s: float) -> bool:
        """Move all sessions to other instances; False when some were left after `timeout_s`, or nobody takes them.

        Raises BlazzError `no_other_instance` when there is none that could take them, and what the database says.
        """
        scope = Platform("an instance moves its sessions away before it ends")
        requester = operations.Requester(None, "sigterm")
        try:
            async with asyncio.timeout(timeout_s):
                asked = await self._database.write(scope, operations.drain, self._settings.instance_id, requester)
                while asked.state == "running" and await self._database.read(scope, self._others_take):
                    await asyncio.sleep(_DRAIN_POLL_S)
                    asked = await self._database.read(scope, operations.get, asked.id)
        except TimeoutError:
            return False
        return asked.state == "done"

    async def _start(self) -> None:
        settings, database = self._settings, self._database
        for directory in (settings.data_dir, settings.instance_dir, settings.engine_media_dir):
            private_directory(directory)
        await require_kind(database, settings)
        in_database = settings.session_store == "database"
        self.storage = DatabaseStorage(settings) if in_database else StorageWatch(settings)
        self._parts.push_async_callback(self.storage.stop)
        storage = await self.storage.start()
        binary = find_engine_binary(settings)
        if self._server is not None:
            self._parts.push_async_callback(self._server.stop)
            self._server.bind()
        member = cluster.Member(
            instance_id=settings.instance_id,
            capacity=settings.instance_capacity,
            version=__version__,
            url=self.internal_url,
            host=await asyncio.to_thread(place_of, settings),
            pid=os.getpid(),
            storage=storage.as_dict(),
            machine=machine(),
        )
        self.registration = registration = await database.write(
            Platform("an instance registers and takes its own sessions over"), cluster.register, member
        )
        self._parts.push_async_callback(self._sign_off, registration)
        await asyncio.to_thread(note_generation, settings, registration.generation)
        options = EngineOptions(
            binary=binary,
            sessions_dir=Path(storage.directory),
            media_dir=settings.engine_media_dir.resolve(),
            network=self._network,
            extra=(
                *("--log-level", "info" if settings.log_level == "debug" else "warn"),
                *(("--refresh-client-version",) if settings.refresh_client_version else ()),
                *("--client-version-retry", f"{settings.client_version_retry_s}s"),
                *storage.engine_arguments(),
            ),
            environment=storage.engine_environment(),
        )
        self.supervisor = supervisor = Supervisor(database, settings, registration, options)
        uploads = Uploads(database, settings, self._media_store, lambda: supervisor.speaking_client)
        self.outbox = Outbox(database, supervisor.registry, self._provider, uploads, supervisor.limits)
        self.downloads = Downloads(
            database,
            settings,
            supervisor.registry,
            lambda: supervisor.keeper.client,
            self._secret_box,
            self._media_store,
        )
        self.ingest = Ingest(database, self._secret_box.seal, supervisor.answer, self.downloads.wake)
        supervisor.ingest = self.ingest
        channels = ChannelNames(database, lambda: supervisor.speaking_client)
        self.ingest.channel_posted = channels.posted
        supervisor.connected_hooks += [
            lambda session: self.outbox.hint(session.account_id),
            lambda _session: self.downloads.wake(),
        ]
        people = People(database, lambda: supervisor.client, Pictures(database, settings, self._media_store))
        self.presence = PresenceKeeper(database, lambda: supervisor.speaking_client)
        supervisor.connected_hooks.append(self.presence.connected)
        news = PeopleNews(database, people, supervisor.answer)
        supervisor.takers |= dict.fromkeys(PEOPLE_NEWS, news.desk.put)
        shared = SharedState(
            database, supervisor.registry, lambda: supervisor.speaking_client, self._secret_box, supervisor.answer
        )
        supervisor.takers |= dict.fromkeys(STATE_NEWS, shared.put)
        imports = HistoryImports(
            database, supervisor.registry, lambda: supervisor.speaking_client, self._secret_box, shared.stale
        )
        shared.announced = imports.wake
        supervisor.connected_hooks += [shared.connected, lambda _session: imports.wake()]
        shared.start()
        imports.start()
        groups = GroupKeeper(database, lambda: supervisor.speaking_client, supervisor.answer, people.picture)
        news.group_picture = partial(groups.look_at, again=True)
        supervisor.takers |= dict.fromkeys(GROUP_NEWS, groups.desk.put)
        supervisor.connected_hooks.append(groups.connected)
        groups.desk.start()
        self._commands = InProcessCommands(database, supervisor, people, self.presence, groups)
        calls = CallDesk(database, lambda: supervisor.speaking_client, supervisor.answer)
        supervisor.takers["call"] = calls.desk.put
        calls.desk.start()
        news.desk.start()
        self.ingest.start()
        self.outbox.start()
        self.downloads.start()
        # ended in this order: no new sends, no new rows, then the sessions
        self._parts.push_async_callback(supervisor.stop)
        self._parts.push_async_callback(self.ingest.stop)
        self._parts.push_async_callback(news.desk.stop)
        self._parts.push_async_callback(calls.desk.stop)
        self._parts.push_async_callback(people.stop)
        self._parts.push_async_callback(groups.stop)
        self._parts.push_async_callback(channels.stop)
        self._parts.push_async_callback(shared.stop)
        self._parts.push_async_callback(imports.stop)
        self._parts.push_async_callback(self.presence.stop)
        self._parts.push_async_callback(self.downloads.stop)
        self._parts.push_async_callback(self.outbox.stop, _SENDS_S)
        adoption = Adoption(database, settings, registration, supervisor, self.outbox.quiet)
        supervisor.changed_hooks.append(adoption.hint)
        self._parts.push_async_callback(adoption.stop)
        self._parts.callback(HealthChecks.shared().add("engine", self._engine_health))
        self._parts.callback(HealthChecks.shared().add("storage", self.storage.health))
        kind_of_chore = DatabaseStorageChore if in_database else StorageChore
        chore = kind_of_chore(database, supervisor.registry, settings.sessions_dir)
        self._parts.push_async_callback(chore.stop)
        await supervisor.start()
        adoption.start()
        chore.start()
        if self._server is not None:
            me = Receiver(registration.instance_id, registration.generation)
            ownership = OwnershipCheck(database, me, self._epoch_here)
            self._parts.push_async_callback(self._server.stop)  # first of all: no commands while the sessions end
            await self._server.start(me, InternalParts(self._commands, ownership, self._health_facts))

    async def _engine_health(self) -> str | None:
        return None if self.supervisor.keeper.client is not None else "restarting"

    def _others_take(self, tx: Tx) -> bool:
        """Whether another instance accepts sessions; when all end at once there is none."""
        return any(one.state == "healthy" and one.id != self._settings.instance_id for one in cluster.all_instances(tx))

    def _epoch_here(self, account_id: uuid.UUID) -> int | None:
        session = self.supervisor.registry.get(account_id)
        return None if session is None else session.epoch

    def _health_facts(self) -> HealthFacts:
        supervisor = self.supervisor
        return HealthFacts(
            sessions=sum(session.wanted for session in supervisor.registry),
            capacity=self._settings.instance_capacity,
            draining=supervisor.draining,
            lease_valid=supervisor.lease.valid,
            storage=self.storage.level,
            engine_pid=supervisor.keeper.pid,
        )

    async def _sign_off(self, registration: cluster.Registration) -> None:
        with contextlib.suppress(BlazzError):
            await self._database.write(Platform("an instance signs off"), cluster.sign_off, registration)

    def _provider(self, session: Session) -> WhatsAppWeb | None:
        client = self.supervisor.speaking_client
        return None if client is None else WhatsAppWeb(client, session.ref)
