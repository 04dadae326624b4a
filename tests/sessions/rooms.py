"""Small stand-ins for what surrounds one room of an instance: its board of changes, a session, a unit of work."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

from blazz.kit.db import Database, Tx
from blazz.sessions.registry import Registry, Session
from blazz.sessions.statuses import Change, StatusBoard

NO_DATABASE = cast(Database, None)
NO_UNIT = cast(Tx, None)


class NotingBoard(StatusBoard):
    """Keeps what is posted instead of storing it."""

    def __init__(self) -> None:
        super().__init__(NO_DATABASE)
        self.posted: list[Change] = []

    def post(self, change: Change) -> None:
        self.posted.append(change)

    def settle(self) -> None:
        """Tell every change that it is stored."""
        posted, self.posted = self.posted, []
        for change in posted:
            if change.then is not None:
                change.then(None)


class NotingDatabase:
    """Runs units of work without a database, or fails as told."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.units: list[tuple[Any, ...]] = []

    async def write(self, _scope: object, work: Any, *args: Any) -> Any:
        self.units.append((work, *args))
        if self.failure is not None:
            raise self.failure
        return work(NO_UNIT, *args)


def running_session(registry: Registry, *, linked: bool = True) -> Session:
    """Return a session of this instance that is connected."""
    session = Session(uuid.uuid4(), uuid.uuid4(), 1, Path("store"), linked)
    session.started, session.connected = True, linked
    registry.add(session)
    return session
