"""Signs of life of the phones behind our sessions: WhatsApp unlinks the devices of a phone that is away for two weeks.

A phone shows itself by what it writes, by what it reads, and by confirming the copies of what we send.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import phone_silence
from blazz.kit.db import Database, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)
_WRITE_S = 300.0
_GROUP = 500


class PhoneSigns:
    """Remembers signs and writes them down now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[uuid.UUID, tuple[uuid.UUID, dt.datetime]] = {}

    def note(self, session: Session, event: pb.Event) -> None:
        """Look at a message or receipt; costs nothing for those of others."""
        source = event.message if event.HasField("message") else event.receipt
        if source.from_me and is_phone(source.sender):
            self._seen[session.account_id] = session.workspace_id, utc_now()

    async def run(self) -> None:
        """Write every few minutes, until cancelled."""
        while True:
            await asyncio.sleep(_WRITE_S)
            try:
                await self.write()
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


def is_phone(address: str) -> bool:
    """Tell whether an address is that of a phone itself (device 0) and not of a linked device."""
    user = address.partition("@")[0]
    device = user.partition(":")[2]
    return bool(user) and device in ("", "0")
