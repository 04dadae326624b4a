"""What channels are called: their posts do not say it, so WhatsApp is asked when the first one is stored."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import structlog

from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError
from blazz.engine_client.groups import GroupsClient
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.messaging import feeds
from blazz.sessions.registry import Session
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
_AT_ONCE = 4
_REMEMBERED = 10_000


class ChannelNames:
    """Names the chats of channels in the background; one of which WhatsApp tells nothing again at its next post."""

    def __init__(self, database: Database, client: Callable[[], EngineClient | None]) -> None:
        self._database = database
        self._client = client
        self._tasks = TaskSet()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._looked_at: set[tuple[uuid.UUID, str]] = set()

    async def stop(self) -> None:
        """End; chats without a name get one after the next start."""
        await self._tasks.stop()

    def posted(self, session: Session, address: str) -> None:
        """A post of the channel was taken."""
        key = (session.account_id, address)
        if key not in self._looked_at:
            if len(self._looked_at) >= _REMEMBERED:
                self._looked_at.clear()
            self._looked_at.add(key)
            self._tasks.start(self._look(session, address), "channel-name")

    async def _look(self, session: Session, address: str) -> None:
        try:
            async with self._slots:
                await self._name(session, address)
        except (EngineError, BlazzError) as error:
            self._looked_at.discard((session.account_id, address))
            _log.info("channel not named", account=str(session.account_id), error=str(error)[:200])

    async def _name(self, session: Session, address: str) -> None:
        scope, client = Workspace(session.workspace_id), self._client()
        nameless = await self._database.read(scope, feeds.nameless, session.account_id, address)
        if nameless and client is not None:
            name = await GroupsClient(client).channel_name(session.ref, address)
            await self._database.write(scope, _store, session.account_id, session.epoch, address, name)
        elif nameless is not False:
            self._looked_at.discard((session.account_id, address))  # not stored (yet), or nobody to ask


def _store(tx: Tx, account_id: uuid.UUID, epoch: int, address: str, name: str) -> None:
    if not ownership.check(tx, [(account_id, epoch)]):
        feeds.name(tx, account_id, address, name)
