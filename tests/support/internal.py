"""Instances as other processes see them: rows, internal ports that answer, sessions that note what they are asked."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Float, Integer, Table, insert, update

from blazz.cluster.commands import ChatState, OnWhatsApp, PairingCode, QrView
from blazz.cluster.internal_client import InternalClient
from blazz.cluster.pairing_commands import PasskeyView
from blazz.cluster.people_commands import ProfileChange
from blazz.cluster.remote import RemoteCommands
from blazz.cluster.routing import OwnerDirectory
from blazz.cluster.tables import assignments, instances
from blazz.instance.health import HealthFacts
from blazz.instance.internal_api import InternalParts
from blazz.instance.ownership import OwnershipCheck
from blazz.instance.server import InternalServer
from blazz.kit.db import Database, Platform, Tx, UtcDateTime
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.signing import InternalKeys, Receiver, caller_tls
from blazz.kit.time import utc_now
from tests.support.app import migrated
from tests.support.rows import make_workspaces

KEYS = InternalKeys(b"k" * 32)
SCOPE = Platform("test")


class NotingSessions:
    """Sessions that do nothing but note what they are asked, and fail as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.shown: QrView | None = None
        self.passkeys: dict[uuid.UUID, PasskeyView] = {}
        self.failure: BlazzError | None = None

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None:
        self._note("connect", account_id, use_qr)

    async def disconnect(self, account_id: uuid.UUID) -> None:
        self._note("disconnect", account_id)

    async def log_out(self, account_id: uuid.UUID) -> None:
        self._note("log_out", account_id)

    async def pairing_code(self, account_id: uuid.UUID, phone: str) -> PairingCode:
        self._note("pairing_code", account_id, phone)
        return PairingCode("ABCD-EFGH", utc_now() + dt.timedelta(seconds=160))

    async def qr(self, account_id: uuid.UUID) -> QrView | None:
        self._note("qr", account_id)
        return self.shown

    async def passkey(self, account_id: uuid.UUID) -> PasskeyView | None:
        self._note("passkey", account_id)
        return self.passkeys.get(account_id)

    async def answer_passkey(self, account_id: uuid.UUID, credential: str) -> None:
        self._note("answer_passkey", account_id, credential)

    async def confirm_passkey(self, account_id: uuid.UUID) -> None:
        self._note("confirm_passkey", account_id)

    async def typing(self, account_id: uuid.UUID, address: str, state: ChatState) -> None:
        self._note("typing", account_id, address, state)

    async def mark_read(
        self, account_id: uuid.UUID, address: str, author: str, wa_message_ids: list[str], at: dt.datetime
    ) -> None:
        self._note("mark_read", account_id, address, author, wa_message_ids, at)

    async def on_whatsapp(self, account_id: uuid.UUID, phones: list[str]) -> list[OnWhatsApp]:
        self._note("on_whatsapp", account_id, phones)
        return [OnWhatsApp(phone, True, f"{phone[1:]}@s.whatsapp.net", None) for phone in phones]

    async def ask_groups(self, account_id: uuid.UUID, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._note("ask_groups", account_id, method, body)
        return {}

    async def refresh_contact(self, account_id: uuid.UUID, contact_id: uuid.UUID) -> None:
        self._note("refresh_contact", account_id, contact_id)

    async def set_blocked(self, account_id: uuid.UUID, address: str, *, blocked: bool) -> None:
        self._note("set_blocked", account_id, address, blocked)

    async def sync_blocks(self, account_id: uuid.UUID) -> None:
        self._note("sync_blocks", account_id)

    async def refresh_profile(self, account_id: uuid.UUID) -> None:
        self._note("refresh_profile", account_id)

    async def set_profile(self, account_id: uuid.UUID, change: ProfileChange) -> None:
        self._note("set_profile", account_id, change)

    async def privacy(self, account_id: uuid.UUID, changes: dict[str, str]) -> dict[str, str]:
        self._note("privacy", account_id, changes)
        return changes

    async def watch_chat(self, account_id: uuid.UUID, address: str, contact_id: uuid.UUID | None) -> None:
        self._note("watch_chat", account_id, address, contact_id)

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure


@dataclass
class RunningInstance:
    """One instance with an internal port. `epochs`: what its registry holds."""

    id: str
    generation: int
    server: InternalServer
    sessions: NotingSessions = field(default_factory=NotingSessions)
    epochs: dict[uuid.UUID, int] = field(default_factory=dict)
    draining: bool = False
    lease_valid: bool = True
    engine_pid: int | None = None
    capacity: int = 10

    @property
    def receiver(self) -> Receiver:
        return Receiver(self.id, self.generation)

    def facts(self) -> HealthFacts:
        return HealthFacts(len(self.epochs), self.capacity, self.draining, self.lease_valid, self.engine_pid)


@dataclass
class Stand:
    """A database, some instances, and a gateway's way to them."""

    database: Database
    workspace_id: uuid.UUID
    directory: OwnerDirectory
    client: InternalClient
    commands: RemoteCommands
    parts: contextlib.AsyncExitStack
    settings: Settings

    async def instance(self, name: str, generation: int = 1, keys: InternalKeys = KEYS) -> RunningInstance:
        """Start an internal port and register it."""
        server = InternalServer(self.settings, keys)
        server.bind()
        running = RunningInstance(name, generation, server)
        await self.register(name, server.url, generation)
        parts = InternalParts(
            running.sessions,
            OwnershipCheck(self.database, running.receiver, running.epochs.get),
            running.facts,
        )
        await server.start(running.receiver, parts)
        self.parts.push_async_callback(server.stop)
        return running

    async def register(self, name: str, url: str, generation: int = 1, state: str = "healthy") -> None:
        """Write an instance's row."""

        def work(tx: Tx) -> None:
            values = {"url": url, "generation": generation, "state": state}
            if tx.execute(update(instances).where(instances.c.id == name).values(values)).rowcount == 0:
                index = len(tx.all(instances.select()))
                tx.execute(insert(instances), filled(instances, id=name, index=index, capacity=10, **values))

        await self.database.write(SCOPE, work)

    async def assign(self, instance: str | None, generation: int = 1, epoch: int = 1) -> uuid.UUID:
        """Give a new account to an instance."""
        account_id = uuid7()
        row = filled(
            assignments,
            id=account_id,
            workspace_id=self.workspace_id,
            instance_id=instance,
            generation=generation,
            epoch=epoch,
            wanted="running",
        )
        await self.database.write(SCOPE, lambda tx: tx.execute(insert(assignments), row).rowcount)
        return account_id

    async def move(self, account_id: uuid.UUID, instance: str, generation: int = 1) -> None:
        """Give an account to another instance, under a higher epoch, without any hint."""
        statement = (
            update(assignments)
            .where(assignments.c.id == account_id)
            .values(instance_id=instance, generation=generation, epoch=assignments.c.epoch + 1)
        )
        await self.database.write(SCOPE, lambda tx: tx.execute(statement).rowcount)


@contextlib.asynccontextmanager
async def stand(
    directory: Path,
    database: Database | None = None,
    *,
    call_s: float = 10.0,
    connect_s: float = 2.0,
    size: int = 1000,
    **settings: Any,
) -> AsyncIterator[Stand]:
    """A stand on a fresh database (SQLite unless one is given), without instances yet."""
    made = Settings.model_construct(data_dir=directory, **settings)
    async with contextlib.AsyncExitStack() as parts:
        if database is None:
            database = Database.open(migrated(directory / "blazz.db"))
            parts.push_async_callback(database.close)
        (workspace_id,) = await make_workspaces(database, 1)
        owners = OwnerDirectory(database, size=size)
        await owners.start()
        await owners.filled.wait()
        owners.queries = 0  # what tests count begins here
        parts.push_async_callback(owners.stop)
        client = InternalClient(KEYS, tls=caller_tls(made), connect_s=connect_s)
        parts.push_async_callback(client.close)
        commands = RemoteCommands(owners, client, call_s=call_s)
        yield Stand(database, workspace_id, owners, client, commands, parts, made)


def filled(table: Table, **given: Any) -> dict[str, Any]:
    """A row with `given`, and something plain in every other column that must not be null."""
    row = dict(given)
    for column in table.columns:
        if column.name in row or column.nullable:
            continue
        if isinstance(column.type, UtcDateTime):
            row[column.name] = utc_now()
        elif isinstance(column.type, Boolean):
            row[column.name] = False
        elif isinstance(column.type, (Integer, Float)):
            row[column.name] = 0
        else:
            row[column.name] = ""
    return row
