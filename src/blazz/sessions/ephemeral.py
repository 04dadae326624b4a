"""Typing and presence: passed on while they are true, never stored."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from typing import Any

from blazz._generated.engine import engine_pb2 as pb
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.time import from_unix_ms, rfc3339
from blazz.messaging.lookup import chat_with
from blazz.sessions.addresses import bare, lid_of, phone_of
from blazz.sessions.registry import Session
from blazz.sessions.tasks import TaskSet

_REMEMBERED = 4_000
_REMEMBERED_S = 600.0  # contacts merge now and then, and their chats with them


class EphemeralFeed:
    """Translates what customers do at this moment into ephemeral events of their chats."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chats: OrderedDict[tuple[uuid.UUID, str], tuple[float, uuid.UUID]] = OrderedDict()
        self._tasks = TaskSet()

    async def stop(self) -> None:
        """Drop what is being looked up."""
        await self._tasks.stop()

    def take(self, session: Session, event: pb.Event) -> None:
        """Pass one event on; what belongs to no chat is dropped."""
        if event.HasField("chat_presence"):
            presence = event.chat_presence
            state = "paused" if not presence.composing else "recording" if presence.audio else "composing"
            self._publish(session, "typing", presence.chat, presence.sender, {"state": state})
        elif event.HasField("presence"):
            data: dict[str, Any] = {"available": not event.presence.unavailable}
            if event.presence.last_seen_ms:
                data["last_seen"] = rfc3339(from_unix_ms(event.presence.last_seen_ms))
            self._publish(session, "presence", event.presence.jid, "", data)

    def _publish(self, session: Session, name: str, chat: str, sender: str, data: dict[str, Any]) -> None:
        known = self._chats.get((session.account_id, bare(chat)))
        if known is not None and time.monotonic() - known[0] < _REMEMBERED_S:
            _tell(session, name, known[1], data)
        else:
            self._tasks.start(self._look_up(session, name, chat, sender, data), "typing-look-up")

    async def _look_up(self, session: Session, name: str, chat: str, sender: str, data: dict[str, Any]) -> None:
        address = bare(chat)
        addresses = (chat,) if address.endswith("@g.us") else (chat, sender)
        try:
            chat_id = await self._database.read(
                Workspace(session.workspace_id),
                chat_with,
                session.account_id,
                address,
                phone_of(*addresses),
                lid_of(*addresses),
            )
        except BlazzError:
            return
        if chat_id is not None:
            self._chats[session.account_id, address] = (time.monotonic(), chat_id)
            while len(self._chats) > _REMEMBERED:
                self._chats.popitem(last=False)
            _tell(session, name, chat_id, data)


def _tell(session: Session, name: str, chat_id: uuid.UUID, data: dict[str, Any]) -> None:
    event = EphemeralEvent(session.workspace_id, name, session.account_id, {"chat_id": str(chat_id), **data})
    Ephemerals.shared().publish(event)
