"""Signs of life of the phones behind our sessions: WhatsApp unlinks the devices of a phone that is away for two weeks.

A phone shows itself by what it writes, by what it reads, and by confirming the copies of what we send. One that has
nothing to do shows nothing: it is asked for the keys of the shared settings, which it gives without anybody noticing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage
from blazz.accounts import phone_silence
from blazz.engine_client import EngineClient, EngineError
from blazz.kit.db import Database, Platform, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.sessions.addresses import bare
from blazz.sessions.registry import Registry, Session

_log = structlog.get_logger(__name__)
_WRITE_S = 300.0
_GROUP = 500
_ASK_AGAIN = dt.timedelta(days=1)
_BETWEEN_S = 1.0  # between two questions: nobody is in a hurry
_AT_ONCE = 100  # questions in one round


class PhoneSigns:
    """Remembers signs and writes them down now and then; asks phones that give none."""

    def __init__(self, database: Database, registry: Registry, client: Callable[[], EngineClient | None]) -> None:
        self._database = database
        self._registry = registry
        self._client = client
        self._asked: dict[uuid.UUID, dt.datetime] = {}
        self._seen: dict[uuid.UUID, tuple[uuid.UUID, dt.datetime]] = {}

    def note(self, session: Session, event: pb.Event) -> None:
        """Look at an event; costs nothing for those of others."""
        source = event.message if event.HasField("message") else event.receipt
        if (source.from_me and is_phone(source.sender)) or event.HasField("history_notice"):
            self._seen[session.account_id] = session.workspace_id, utc_now()

    async def run(self) -> None:
        """Write and ask every few minutes, until cancelled."""
        while True:
            await asyncio.sleep(_WRITE_S)
            try:
                await self.write()
                await self.ask()
            except BlazzError as error:
                _log.warning("signs of phones not stored", error=str(error))

    async def write(self) -> None:
        """Store what was seen since the last time. Raises BlazzError; nothing is forgotten then."""
        seen = list(self._seen.items())
        for start in range(0, len(seen), _GROUP):
            group = seen[start : start + _GROUP]
            notes = {account: at for account, (_, at) in group}
            workspaces = {workspace for _, (workspace, _) in group}
            await self._database.write(Workspaces.of(workspaces), phone_silence.note_seen, workspaces, notes)
            for account, entry in group:
                if self._seen.get(account) == entry:
                    del self._seen[account]

    async def ask(self) -> None:
        """Ask phones that have given no sign for days, each once a day. Raises BlazzError."""
        now, asked = utc_now(), 0
        self._asked = {account: at for account, at in self._asked.items() if now - at < _ASK_AGAIN}
        connected = [one.account_id for one in self._registry if one.connected and one.account_id not in self._asked]
        for start in range(0, len(connected), _GROUP):
            group = connected[start : start + _GROUP]
            quiet = await self._database.read(
                Platform("an instance asks the phones of its sessions for a sign"), phone_silence.quiet, group
            )
            for session in self._registry.connected(quiet):
                if asked == _AT_ONCE:
                    return
                if asked:
                    await asyncio.sleep(_BETWEEN_S)
                asked += 1
                self._asked[session.account_id] = now
                await self._ask(session)

    async def _ask(self, session: Session) -> None:
        client = self._client()
        if client is None or not session.identity:
            return
        question = Message()
        question.protocolMessage.type = ProtocolMessage.APP_STATE_SYNC_KEY_REQUEST
        question.protocolMessage.appStateSyncKeyRequest.SetInParent()
        own, message_id = bare(session.identity[0]), uuid7().hex.upper()
        try:
            await client.send(session.ref, own, message_id, question.SerializeToString(), peer=True)
        except EngineError as error:
            _log.info("phone not asked", account=str(session.account_id), error=str(error))


def is_phone(address: str) -> bool:
    """Tell whether an address is that of a phone itself (device 0) and not of a linked device."""
    user = address.partition("@")[0]
    device = user.partition(":")[2]
    return bool(user) and device in ("", "0")
