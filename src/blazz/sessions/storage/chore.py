"""Tells the database, slowly and again and again, where this instance's stores are, how large, and whether sound."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from blazz.accounts.storage import StorageNote, note_storage
from blazz.kit import metrics
from blazz.kit.db import Database, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from blazz.sessions.registry import Registry, Session
from blazz.sessions.storage.measure import Measured, measure
from blazz.sessions.storage.patient import PatientThread

_log = structlog.get_logger(__name__)
_EVERY_S = 900.0
_FIRST_S = 60.0  # after a start, or a failover, there is more urgent work
GROUP = 50
PAUSE_S = 0.5  # between groups
_GROUP_S = 30.0
_DAMAGED = metrics.counter("session_stores_damaged", "Session stores that were found damaged.")


class StorageChore:
    """Runs between `start` and `stop`, in the background of an instance."""

    def __init__(
        self, database: Database, registry: Registry, sessions_dir: Path, *, every_s: float = _EVERY_S
    ) -> None:
        self._database = database
        self._registry = registry
        self._root = sessions_dir
        self._every_s = every_s
        self._thread = PatientThread("storage-chore")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="storage-chore")

    async def stop(self) -> None:
        """End. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def measure_all(self) -> int:
        """Measure all sessions once; returns how many were stored. Raises BlazzError (storage or database)."""
        sessions, stored = list(self._registry), 0
        for start in range(0, len(sessions), GROUP):
            if start:
                await asyncio.sleep(PAUSE_S)
            group = sessions[start : start + GROUP]
            found = await self._thread.run(lambda group=group: self._measure(group), timeout_s=_GROUP_S)  # type: ignore[misc]
            if found:
                scope = Workspaces.of(session.workspace_id for session in group)
                await self._database.write(scope, note_storage, found)
            stored += len(found)
        return stored

    async def _run(self) -> None:
        await asyncio.sleep(min(_FIRST_S, self._every_s))
        while True:
            try:
                await self.measure_all()
            except (BlazzError, OSError) as error:
                _log.warning("session stores not measured", error=str(error))
            await asyncio.sleep(self._every_s)

    def _measure(self, sessions: Sequence[Session]) -> list[StorageNote]:
        """Measure a group; blocks. What fails is left out: the engine host finds out by itself, and says so."""
        deadline = time.monotonic() + _GROUP_S / 2
        notes = []
        for session in sessions:
            if time.monotonic() > deadline:
                break
            try:
                found = measure(session.store)
            except OSError as error:
                _log.warning("session store cannot be measured", account=str(session.account_id), error=str(error))
                continue
            if found is not None:
                notes.append(self._note(session, found))
        return notes

    def _note(self, session: Session, found: Measured) -> StorageNote:
        if found.sound is False:
            _DAMAGED.inc()
            _log.error("session store is damaged", account=str(session.account_id), detail=found.detail)
        path = str(session.store)
        with contextlib.suppress(ValueError):
            path = str(session.store.relative_to(self._root.absolute()))
        verified = utc_now() if found.sound else None
        return StorageNote(session.workspace_id, session.account_id, path, found.size_bytes, verified)
