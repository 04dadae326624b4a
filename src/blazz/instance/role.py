"""The instance role: the engine host, its sessions, and everything that flows in and out of them."""

from __future__ import annotations

import contextlib

from blazz import __version__
from blazz.cluster import service as cluster
from blazz.cluster.commands import SessionCommands
from blazz.engine_client import EngineOptions, NetworkSettings
from blazz.engine_client.binary import find_engine_binary
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.health import HealthChecks
from blazz.kit.settings import Settings
from blazz.media.store import MediaStore
from blazz.providers.whatsapp_web import WhatsAppWeb
from blazz.sessions.commands import InProcessCommands
from blazz.sessions.downloads import Downloads
from blazz.sessions.ingest import Ingest
from blazz.sessions.outbox import Outbox
from blazz.sessions.registry import Session
from blazz.sessions.supervisor import Supervisor
from blazz.sessions.uploads import Uploads

_SENDS_S = 5.0  # sends under way may finish when the instance stops


class Instance:
    """Runs the sessions that this process owns. Construct, `start`, later `stop`."""

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        network: NetworkSettings,
        secret_box: SecretBox,
        media_store: MediaStore,
    ) -> None:
        self._database = database
        self._settings = settings
        self._network = network
        self._secret_box = secret_box
        self._media_store = media_store
        self._parts = contextlib.AsyncExitStack()
        self._commands: SessionCommands | None = None
        self.supervisor: Supervisor
        self.ingest: Ingest
        self.outbox: Outbox
        self.downloads: Downloads

    @property
    def commands(self) -> SessionCommands:
        """What the gateway may ask of the sessions here; there once the instance has started."""
        if self._commands is None:
            raise RuntimeError("the instance has not been started")
        return self._commands

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

    async def _start(self) -> None:
        settings, database = self._settings, self._database
        for directory in (settings.data_dir, settings.sessions_dir, settings.engine_media_dir):
            private_directory(directory)
        binary = find_engine_binary(settings)
        registration = await database.write(
            Platform("an instance registers and takes its own sessions over"), self._register
        )
        self._parts.push_async_callback(self._sign_off, registration)
        options = EngineOptions(
            binary=binary,
            sessions_dir=settings.sessions_dir.resolve(),
            media_dir=settings.engine_media_dir.resolve(),
            network=self._network,
            extra=("--log-level", "info" if settings.log_level == "debug" else "warn"),
        )
        self.supervisor = supervisor = Supervisor(database, settings, registration, options)
        uploads = Uploads(database, settings, self._media_store, lambda: supervisor.keeper.client)
        self.outbox = Outbox(database, supervisor.registry, self._provider, uploads)
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
        supervisor.connected_hooks += [
            lambda session: self.outbox.hint(session.account_id),
            lambda _session: self.downloads.wake(),
        ]
        self._commands = InProcessCommands(database, supervisor)
        self.ingest.start()
        self.outbox.start()
        self.downloads.start()
        # ended in this order: no new sends, no new rows, then the sessions
        self._parts.push_async_callback(supervisor.stop)
        self._parts.push_async_callback(self.ingest.stop)
        self._parts.push_async_callback(self.downloads.stop)
        self._parts.push_async_callback(self.outbox.stop, _SENDS_S)
        self._parts.callback(HealthChecks.shared().add("engine", self._engine_health))
        await supervisor.start()

    async def _engine_health(self) -> str | None:
        return None if self.supervisor.keeper.client is not None else "restarting"

    def _register(self, tx: Tx) -> cluster.Registration:
        return cluster.register(
            tx,
            self._settings.instance_id,
            capacity=self._settings.instance_capacity,
            version=__version__,
        )

    async def _sign_off(self, registration: cluster.Registration) -> None:
        with contextlib.suppress(BlazzError):
            await self._database.write(Platform("an instance signs off"), cluster.sign_off, registration)

    def _provider(self, session: Session) -> WhatsAppWeb | None:
        client = self.supervisor.keeper.client
        return None if client is None else WhatsAppWeb(client, session.ref)
