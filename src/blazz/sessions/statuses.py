"""Writes what happens to sessions into the database, in order, whatever has gathered in one unit of work.

A change is never given up because the database is away: it is tried again until it is stored, so a status in the
database is at worst late, and expires by itself meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from blazz.cluster import ownership
from blazz.kit.db import Database, Tx, Workspaces
from blazz.kit.errors import BlazzError
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)
_GROUP = 256
_RETRY_S = 0.5


@dataclass(slots=True)
class Change:
    """One step of one session. `apply` runs in a unit of work; `then` on the loop with its result, after the commit.

    `dropped` is called instead when the session has a newer owner or the step cannot be stored.
    """

    session: Session
    apply: Callable[[Tx], object]
    then: Callable[[object], None] | None = None
    dropped: Callable[[], None] | None = None
    done: asyncio.Future[None] | None = None
    settled: bool = False


class StatusBoard:
    """The one writer of session changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes: deque[Change] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="session-statuses")

    async def stop(self, timeout_s: float) -> None:
        """Write what waits, at most `timeout_s` seconds, then end."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.flush()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def post(self, change: Change) -> None:
        """Queue a change."""
        self._changes.append(change)
        self._wake.set()

    async def write(self, change: Change) -> None:
        """Queue a change and wait until it is stored or dropped."""
        change.done = asyncio.get_running_loop().create_future()
        self.post(change)
        await change.done

    async def flush(self) -> None:
        """Wait until everything queued so far is stored."""
        if self._changes:
            last = self._changes[-1]
            last.done = last.done or asyncio.get_running_loop().create_future()
            await asyncio.shield(last.done)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changes:
                group = [self._changes[index] for index in range(min(_GROUP, len(self._changes)))]
                try:
                    await self._store(group)
                except (BlazzError, OSError) as error:
                    _log.warning("session changes not stored, trying again", changes=len(group), error=str(error))
                    await asyncio.sleep(_RETRY_S)
                while self._changes and self._changes[0].settled:
                    self._changes.popleft()

    async def _store(self, group: Sequence[Change]) -> None:
        """Store a group; when one change fails for its content, each alone. Raises only for the infrastructure."""
        try:
            await self._write(group)
        except (BlazzError, OSError) as error:
            if isinstance(error, BlazzError) and error.status < 500:
                await self._one_by_one(group)
            else:
                raise
        except Exception:  # noqa: BLE001 - told apart one by one
            await self._one_by_one(group)

    async def _one_by_one(self, group: Sequence[Change]) -> None:
        for change in group:
            try:
                await self._write([change])
            except Exception as error:
                if isinstance(error, OSError) or (isinstance(error, BlazzError) and error.status >= 500):
                    raise
                _log.exception("session change dropped", account=str(change.session.account_id))
                self._finish(change, None, kept=False)

    async def _write(self, group: Sequence[Change]) -> None:
        scope = Workspaces.of(change.session.workspace_id for change in group)

        def unit(tx: Tx) -> tuple[set[object], list[object]]:
            stale = ownership.check(tx, ((change.session.account_id, change.session.epoch) for change in group))
            results = [None if change.session.account_id in stale else change.apply(tx) for change in group]
            return {*stale}, results

        stale, results = await self._database.write(scope, unit)
        for change, result in zip(group, results, strict=True):
            self._finish(change, result, kept=change.session.account_id not in stale)

    @staticmethod
    def _finish(change: Change, result: object, *, kept: bool) -> None:
        change.settled = True
        try:
            if kept and change.then is not None:
                change.then(result)
            elif not kept and change.dropped is not None:
                change.dropped()
        finally:
            if change.done is not None and not change.done.done():
                change.done.set_result(None)
