"""The sessions of this instance in memory. A session costs no task and no timer while idle."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blazz.cluster.commands import QrView
from blazz.cluster.pairing_commands import PasskeyView
from blazz.engine_client.client import SessionRef
from blazz.kit.errors import conflict


@dataclass(slots=True, eq=False)
class Session:
    """One owned session. `connected` says that a login stands; `wanted` that it shall be running."""

    account_id: uuid.UUID
    workspace_id: uuid.UUID
    epoch: int
    store: Path
    linked: bool
    previous_closed: bool = True
    """Nobody else can have the store of a lower epoch open: it is renamed instead of copied."""
    ref: SessionRef = field(init=False)
    wanted: bool = True
    started: bool = False
    connected: bool = False
    status: str | None = None
    """The last status that was posted for the database."""
    identity: tuple[str, ...] = ()
    """Who the session speaks for, as last stored."""
    use_qr: bool = True
    qr: QrView | None = None
    passkey: PasskeyView | None = None
    retry: asyncio.TimerHandle | None = None
    """The one retry after `replaced`, or the next one after a start that failed."""
    failed_starts: int = 0
    """In a row."""
    replaced_once: bool = False
    fresh: bool = False
    """It was linked in this run and has not logged in since."""
    leaving: bool = False
    """It is about to be closed for another instance: nothing new is sent."""
    interrupted: bool = False
    """It was closed for a move that has not happened."""
    restoring: bool = field(init=False)
    """It was linked when this instance took it up, and has not logged in since."""
    changed: asyncio.Event | None = None
    """Set at every report, while somebody waits for one."""

    def __post_init__(self) -> None:
        self.ref = SessionRef(str(self.account_id), self.epoch)
        self.restoring = self.linked

    async def settled(self) -> None:
        """Wait until the session is connected, or no longer running."""
        self.changed = asyncio.Event()
        try:
            while self.started and not self.connected:
                await self.changed.wait()
                self.changed.clear()
        finally:
            self.changed = None

    def cancel_retry(self) -> None:
        """Forget the planned retry, if there is one."""
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None


class Registry:
    """Sessions by account and by the id that the engine host knows them under."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: Session) -> None:
        """Remember a session; one of the same account is replaced."""
        old = self._sessions.get(session.ref.session_id)
        if old is not None:
            old.cancel_retry()
        self._sessions[session.ref.session_id] = session

    def remove(self, account_id: uuid.UUID) -> Session | None:
        """Forget a session and return it."""
        session = self._sessions.pop(str(account_id), None)
        if session is not None:
            session.cancel_retry()
        return session

    def get(self, account_id: uuid.UUID) -> Session | None:
        """Return an account's session, if this instance has it."""
        return self._sessions.get(str(account_id))

    def by_ref(self, session_id: str) -> Session | None:
        """Return the session that the engine host calls `session_id`."""
        return self._sessions.get(session_id)

    def connected(self, account_ids: Iterable[uuid.UUID]) -> list[Session]:
        """Return those of `account_ids` whose login stands and who stay."""
        found = (self._sessions.get(str(account_id)) for account_id in account_ids)
        return [session for session in found if session is not None and session.connected and not session.leaving]

    def require(self, account_id: uuid.UUID) -> Session:
        """Return a started session. Raises BlazzError `session_not_running` (409)."""
        session = self._sessions.get(str(account_id))
        if session is None or not session.started:
            raise conflict("session_not_running", "This number is not running here. Connect it first.")
        return session
