"""Whether our numbers show as online: only while somebody of the team looks at a chat, and only where it is allowed.

WhatsApp tells who is online, and who types, to those only who show themselves as online.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from blazz.accounts import profiles
from blazz.engine_client import EngineClient, EngineError
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError
from blazz.sessions.registry import Session
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
WATCHED_S = 75.0  # a page repeats its word every 30 s
_SUBSCRIBED = 500  # people of one number; WhatsApp forgets them with the connection


@dataclass(slots=True)
class _Shown:
    """A number that shows as online."""

    session: Session
    end: asyncio.TimerHandle | None = None
    subscribed: set[str] = field(default_factory=set)


class PresenceKeeper:
    """Shows numbers as online while they are watched."""

    def __init__(
        self, database: Database, client: Callable[[], EngineClient | None], *, watched_s: float = WATCHED_S
    ) -> None:
        self._database = database
        self._client = client
        self._watched_s = watched_s
        self._shown: dict[uuid.UUID, _Shown] = {}
        self._tasks = TaskSet()

    async def stop(self) -> None:
        """Forget who is watched; with the connections WhatsApp forgets it too."""
        for shown in self._shown.values():
            if shown.end is not None:
                shown.end.cancel()
        self._shown.clear()
        await self._tasks.stop()

    def connected(self, session: Session) -> None:
        """A new connection stands: WhatsApp knows nothing of an earlier one's presence."""
        shown = self._shown.pop(session.account_id, None)
        if shown is not None and shown.end is not None:
            shown.end.cancel()

    def shows(self, account_id: uuid.UUID) -> bool:
        """Tell whether a number shows as online now."""
        return account_id in self._shown

    async def watch(self, session: Session, address: str) -> None:
        """Somebody looks at a chat with `address`. Does nothing where the number is to stay hidden."""
        client = self._client()
        if client is None or not session.connected:
            return
        try:
            wanted = await self._database.read(Workspace(session.workspace_id), profiles.presence, session.account_id)
            if wanted == "hidden":
                self._hide_soon(session.account_id)
                return
            shown = self._shown.get(session.account_id)
            if shown is None:
                await client.presence(session.ref, available=True)
                shown = self._shown.setdefault(session.account_id, _Shown(session))
            self._extend(shown)
            if address not in shown.subscribed:
                await client.subscribe_presence(session.ref, address)
                if len(shown.subscribed) >= _SUBSCRIBED:
                    shown.subscribed.clear()
                shown.subscribed.add(address)
        except (EngineError, BlazzError) as error:
            # also that the number's own name has not arrived yet, without which WhatsApp takes no presence
            _log.debug("chat not watched", account=str(session.account_id), error=str(error)[:200])

    def _extend(self, shown: _Shown) -> None:
        if shown.end is not None:
            shown.end.cancel()
        loop = asyncio.get_running_loop()
        shown.end = loop.call_later(self._watched_s, self._hide_soon, shown.session.account_id)

    def _hide_soon(self, account_id: uuid.UUID) -> None:
        shown = self._shown.pop(account_id, None)
        if shown is not None:
            if shown.end is not None:
                shown.end.cancel()
            self._tasks.start(self._hide(shown.session), "presence-end")

    async def _hide(self, session: Session) -> None:
        client = self._client()
        if client is None or not session.connected:
            return
        try:
            await client.presence(session.ref, available=False)
        except EngineError as error:
            _log.info("number not shown as offline", account=str(session.account_id), error=str(error)[:200])
