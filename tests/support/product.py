"""A whole instance on a real database in this process, without HTTP: what tests of the session rooms drive."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, Table, insert, select

from blazz.accounts import service as accounts
from blazz.accounts.tables import accounts as accounts_table
from blazz.cluster import service as cluster
from blazz.cluster.commands import SessionCommands
from blazz.events.tables import events as events_table
from blazz.instance.role import Instance
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Tx, Workspace, metadata
from blazz.kit.db.sqlite import make_engine
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.signing import InternalKeys
from blazz.kit.time import utc_now
from blazz.media.store import MediaStore
from blazz.media.worker import MediaWorker
from blazz.messaging import sending
from blazz.messaging.schemas import SendMessage
from blazz.messaging.tables import messages as messages_table
from blazz.messaging.tables import outbox as outbox_table
from blazz.migrations import tables as _tables  # noqa: F401 - fills the metadata
from blazz.workspaces.tables import workspaces as workspaces_table
from tests.support.network import engine_binary, settings_of
from tests.support.waiting import eventually
from whatsim.model import TextContent
from whatsim.network import Network

KEY = b"k" * 32


@dataclass(slots=True)
class Number:
    """An account of the product and the simulated phone that it is linked to."""

    account_id: uuid.UUID
    phone: str


class Blazz:
    """One installation: its directory, and while it runs its database and instance."""

    def __init__(self, directory: Path, network: Network, **settings: Any) -> None:
        self.directory = directory
        self.network = network
        self.settings = Settings(
            data_dir=directory, engine_binary=engine_binary(), test_mode=True, valkey=False, **settings
        )
        self.workspace_id = uuid.UUID(int=7)
        self.internal_keys: InternalKeys | None = None
        self.commands: SessionCommands
        self.database: Database
        self.instance: Instance
        self.media_store: MediaStore
        self.running = False

    async def start(self) -> None:
        """Open the database (made at the first start) and start the instance."""
        fresh = not self.settings.database_path.exists()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if fresh:
            engine = make_engine(self.settings.database_path)
            metadata.create_all(engine)
            engine.dispose()
        self.database = Database.open(self.settings.database_path)
        if fresh:
            await self.add_workspace(self.workspace_id)
        self.media_store = MediaStore.open(self.settings.media_dir)
        self.instance = Instance(
            database=self.database,
            settings=self.settings,
            network=settings_of(self.network),
            secret_box=SecretBox(KEY),
            media_store=self.media_store,
            internal_keys=self.internal_keys,
        )
        self._media_worker = MediaWorker(self.database, self.settings, self.media_store)
        try:
            await self.instance.start()
        except BaseException:
            await self.database.close()
            raise
        self._media_worker.start()
        self.commands = self.instance.commands
        self.running = True

    async def stop(self) -> None:
        """Stop politely. Idempotent."""
        if self.running:
            self.running = False
            await self._media_worker.stop()
            await self.instance.stop()
            await self.database.close()

    async def add_workspace(self, workspace_id: uuid.UUID) -> None:
        """Add a workspace without people."""

        def add(tx: Tx) -> None:
            row = {"id": workspace_id, "number": workspace_id.int % 1000, "name": "Shop", "timezone": "UTC"}
            row |= {"default_country": "ID", "settings": {}, "created_at": utc_now()}
            tx.execute(insert(workspaces_table), row)

        await self.database.write(Platform("test"), add)

    @property
    def scope(self) -> Workspace:
        """The scope of the workspace."""
        return Workspace(self.workspace_id)

    @property
    def engine_pid(self) -> int:
        """The engine host's process id."""
        pid = self.instance.supervisor.keeper.pid
        assert pid is not None
        return pid

    # -- numbers ------------------------------------------------------------------------------------------------

    async def add_account(self, name: str = "Number") -> uuid.UUID:
        """Create an account that is not linked."""
        row = await self.database.write(self.scope, accounts.create, name)
        return uuid.UUID(str(row["id"]))

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None:
        """Do what POST /accounts/{id}/connect does."""
        await cluster.place(self.database, self.settings, self.workspace_id, account_id)
        await self.database.write(self.scope, accounts.connecting, account_id, max_qr_starts=None)
        await self.commands.connect(account_id, use_qr=use_qr)

    async def link(self, phone: str | None = None, account_id: uuid.UUID | None = None) -> Number:
        """Link an account (a new one by default) to a phone by QR and wait until it is connected."""
        number = phone or (await self.network.create_phone()).number
        account_id = account_id or await self.add_account()
        await self.connect(account_id)
        qr = await eventually(lambda: self.commands.qr(account_id), what="a QR code")
        assert qr is not None
        await self.network.link_qr(number, qr.code)
        await self.status(account_id, "connected")
        return Number(account_id, number)

    async def account(self, account_id: uuid.UUID) -> RowMapping:
        """Return an account's row."""
        rows = await self.rows(accounts_table, accounts_table.c.id == account_id)
        return rows[0]

    async def status(self, account_id: uuid.UUID, wanted: str, *, within_s: float = 20.0) -> RowMapping:
        """Wait until the stored status is `wanted`; return the account."""
        seen: list[str] = []

        async def reached() -> RowMapping | None:
            row = await self.account(account_id)
            if not seen or seen[-1] != row["status"]:
                seen.append(row["status"])
            return row if row["status"] == wanted else None

        found = await eventually(reached, within_s=within_s, what=f"status {wanted}, saw {seen}")
        assert found is not None
        return found

    # -- messages -----------------------------------------------------------------------------------------------

    async def send_text(self, number: Number, to: str, body: str) -> uuid.UUID:
        """Queue a text; returns the message's id."""
        return await self._send(number, to, {"type": "text", "text": {"body": body}})

    async def send_image(self, number: Number, to: str, media_id: uuid.UUID, caption: str) -> uuid.UUID:
        """Queue a picture that was uploaded; returns the message's id."""
        return await self._send(number, to, {"type": "image", "image": {"id": str(media_id), "caption": caption}})

    async def send(self, number: Number, to: str, kind: str, **content: Any) -> uuid.UUID:
        """Queue a message of any kind; returns its id."""
        return await self._send(number, to, {"type": kind, kind: content})

    async def _send(self, number: Number, to: str, content: dict[str, Any]) -> uuid.UUID:
        request = SendMessage.model_validate({"account_id": str(number.account_id), "to": f"+{to}", **content})
        sender = sending.Sender("api", None, dt.timedelta(hours=24))

        def send(tx: Tx) -> uuid.UUID:
            return uuid.UUID(str(sending.send(tx, request, sender).row["id"]))

        return await self.database.write(self.scope, send)

    async def messages(self, *conditions: Any) -> Sequence[RowMapping]:
        """Return stored messages in the order of their positions."""
        rows = await self.rows(messages_table, *conditions)
        return sorted(rows, key=lambda row: row["position"])

    async def messages_of(self, *message_ids: uuid.UUID) -> Sequence[RowMapping]:
        """Return messages by id."""
        return await self.messages(messages_table.c.id.in_(message_ids))

    async def outbox(self) -> Sequence[RowMapping]:
        """Return what waits to be sent, in the order of the positions."""
        rows = await self.rows(outbox_table)
        return sorted(rows, key=lambda row: row["position"])

    async def bodies(self, *, from_me: bool) -> list[str]:
        """Return the stored bodies of one direction."""
        return [row["body"] for row in await self.messages(messages_table.c.from_me == from_me)]

    async def state(self, message_id: uuid.UUID, wanted: str, *, within_s: float = 20.0) -> RowMapping:
        """Wait until a message has reached a state."""

        async def reached() -> RowMapping | None:
            row = (await self.messages(messages_table.c.id == message_id))[0]
            return row if row["state"] == wanted else None

        found = await eventually(reached, within_s=within_s, what=f"message {wanted}")
        assert found is not None
        return found

    async def events(self, name: str | None = None) -> Sequence[RowMapping]:
        """Return the workspace's event log, or the events of one name."""
        rows = await self.rows(events_table, *(() if name is None else (events_table.c.name == name,)))
        return sorted(rows, key=lambda row: row["position"])

    async def rows(self, table: Table, *conditions: Any) -> Sequence[RowMapping]:
        """Return rows of the workspace."""
        statement = select(table).where(table.c.workspace_id == self.workspace_id, *conditions)
        return await self.database.read(self.scope, lambda tx: tx.all(statement))


@contextlib.asynccontextmanager
async def running(directory: Path, network: Network, **settings: Any) -> AsyncIterator[Blazz]:
    """Run an installation in `directory`."""
    blazz = Blazz(directory, network, **settings)
    await blazz.start()
    try:
        yield blazz
    finally:
        await blazz.stop()


def fresh_id() -> uuid.UUID:
    """Return an id for a row that a test makes."""
    return uuid7()


def text(body: str) -> TextContent:
    """Return a text for a simulated phone to send."""
    return TextContent(body)


def shown(network: Network, phone: str) -> list[str]:
    """Return the texts that a phone has received, once per message that it shows."""
    return [message.body for message in network.messages(phone, limit=1000) if message.direction == "in"]
