"""Imports history: fetches announced blobs from the engine host piece by piece and stores each piece at once.

A piece that is stored is never fetched again; after a cut, here or in the engine host, the import goes on behind it.
The phone is told only when everything of a blob is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from blazz._generated.engine import history_pb2 as pb
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError, EngineGone, NotConnected, NotRunning
from blazz.engine_client.history import HistoryClient
from blazz.groups import imported
from blazz.kit import failpoints
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from blazz.messaging import history, imports
from blazz.messaging.history_model import HistoryPiece, Imported, ImportJob
from blazz.sessions.history_groups import groups_of
from blazz.sessions.history_pieces import piece_of
from blazz.sessions.registry import Registry, Session
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
_POLL_S = 3.0
_SETTLE_S = 0.05  # many sessions that connect at once are one look
_AT_ONCE = 2  # blobs: the import is patient, messages that come in meanwhile are not
_FINAL_WORDS = frozenset({"invalid", "refused", "too_long"})
_T = TypeVar("_T")


class _Lost(Exception):
    """The session has another owner now, or no pairing any more."""


class HistoryImports:
    """Imports what the phones of connected sessions have announced. `state_stale` is called when settings must be read
    anew.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        client: Callable[[], EngineClient | None],
        secret_box: SecretBox,
        state_stale: Callable[[Session], None],
    ) -> None:
        self._database = database
        self._registry = registry
        self._client = client
        self._secret_box = secret_box
        self._state_stale = state_stale
        self._wake = asyncio.Event()
        self._busy: set[uuid.UUID] = set()
        self._tasks = TaskSet()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to import."""
        self._task = asyncio.create_task(self._run(), name="history")

    async def stop(self) -> None:
        """End; what is under way goes on after the next start. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._tasks.stop()

    def wake(self) -> None:
        """Look soon: something was announced, or a session is connected."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            await asyncio.sleep(_SETTLE_S)
            self._wake.clear()
            try:
                await self._look()
            except BlazzError as error:
                _log.warning("history not looked up", code=error.code)
            except Exception:  # noqa: BLE001 - a defect in one look must not end the looking
                _log.exception("history")

    async def _look(self) -> None:
        room = _AT_ONCE - len(self._busy)
        idle = {one.account_id for one in self._registry if one.connected and one.account_id not in self._busy}
        if room <= 0 or not idle:
            return
        scope = Platform("an instance looks for history of all its sessions")
        for job in (await self._database.read(scope, imports.due, idle, utc_now()))[:room]:
            session = self._registry.get(job.account_id)
            if session is not None:
                self._busy.add(job.account_id)
                self._tasks.start(self._guarded(session, job), "history-import")

    async def _guarded(self, session: Session, job: ImportJob) -> None:
        again = True
        try:
            await self._import(session, job)
        except (EngineGone, NotConnected, NotRunning):
            again = False  # it goes on when the session is connected again, at the latest at the next look
        except _Lost:
            again = False
        except EngineError as error:
            await self._note_failure(session, job, str(error), final=error.word in _FINAL_WORDS)
        except BlazzError as error:
            await self._note_failure(session, job, error.detail, final=False)
        except Exception as error:  # noqa: BLE001 - content may fail in any way
            _log.exception("history not imported", account=str(job.account_id))
            await self._note_failure(session, job, type(error).__name__, final=False)
        finally:
            self._busy.discard(job.account_id)
            if again:
                self._wake.set()

    async def _import(self, session: Session, job: ImportJob) -> None:
        engine = self._client()
        if engine is None:
            raise NotConnected("not_connected", "no engine host")
        client = HistoryClient(engine)
        notification = self._secret_box.open(job.notification, imports.context_of(job))
        if job.state == "waiting":
            async with contextlib.aclosing(client.fetch(session.ref, notification, job.pieces)) as pieces:
                async for piece in pieces:
                    done = await self._store(session, job, *await asyncio.to_thread(_read, job, piece))
                    if done.ended:
                        raise _Lost
                    failpoints.reach("history.piece_stored")
        failpoints.reach("history.stored")
        await client.finish(session.ref, job.wa_message_id, notification)
        await self._owned(session, job, lambda tx: imports.finish(tx, job), alone=True)
        _log.info("history imported", account=str(job.account_id), type=job.sync_type, progress=job.progress)
        self._state_stale(session)

    async def _store(
        self, session: Session, job: ImportJob, piece: HistoryPiece, groups: Sequence[imported.Remembered]
    ) -> Imported:
        def unit(tx: Tx) -> Imported:
            done = history.store_piece(tx, job, piece, self._secret_box.seal)
            if not done.ended:
                imported.store(tx, job.account_id, groups)
            return done

        return await self._owned(session, job, unit)

    async def _owned(self, session: Session, job: ImportJob, unit: Callable[[Tx], _T], *, alone: bool = False) -> _T:
        """Run a unit as the session's owner, `alone` while no other unit of the session is under way. Raises _Lost."""

        def checked(tx: Tx) -> tuple[bool, _T | None]:
            if ownership.check(tx, [(job.account_id, session.epoch)], alone=alone):
                return False, None
            return True, unit(tx)

        owned, result = await self._database.write(Workspace(job.workspace_id), checked)
        if not owned:
            raise _Lost
        return result  # type: ignore[return-value]  # what an owner's unit returned

    async def _note_failure(self, session: Session, job: ImportJob, reason: str, *, final: bool) -> None:
        _log.warning("history not imported", account=str(job.account_id), final=final, reason=reason[:200])
        with contextlib.suppress(BlazzError, _Lost):
            await self._owned(session, job, lambda tx: imports.failed(tx, job, reason, final=final))


def _read(job: ImportJob, piece: pb.HistoryPiece) -> tuple[HistoryPiece, list[imported.Remembered]]:
    return piece_of(job, piece), groups_of(piece)
