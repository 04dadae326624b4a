"""What a phone tells its sessions: settings that were changed elsewhere, and announcements of history.

Both are acknowledged once they are stored. What goes the other way is in `phone_requests`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from itertools import groupby

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError
from blazz.engine_client.state import StateClient
from blazz.kit import failpoints
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.messaging import imports, shared_state
from blazz.sessions.phone_requests import PhoneRequests
from blazz.sessions.registry import Registry, Session
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
NEWS = frozenset({"history_notice", "state_change", "state_synced"})
"""The bodies of events that belong here."""
_QUEUE = 4_000  # beyond it the stream is not read
_GROUP = 200
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 5.0  # while the database takes nothing
_SYNCS = 8  # at once


class SharedState:
    """Stores what phones tell, and has our own changes sent. `announced` is called when history was announced."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        client: Callable[[], EngineClient | None],
        secret_box: SecretBox,
        answer: Callable[[Iterable[int], Iterable[int]], None],
    ) -> None:
        self._database = database
        self._client = client
        self._secret_box = secret_box
        self._answer = answer
        self.announced: Callable[[], None] = lambda: None
        self._waiting: asyncio.Queue[tuple[Session, pb.Event]] = asyncio.Queue(_QUEUE)
        self._requests = PhoneRequests(database, registry, client)
        self._task: asyncio.Task[None] | None = None
        self._tasks = TaskSet()
        self._syncing: set[uuid.UUID] = set()
        self._sync_gate = asyncio.Semaphore(_SYNCS)

    def start(self) -> None:
        """Begin to store and to send."""
        self._task = asyncio.create_task(self._store_all(), name="shared-state")
        self._requests.start()

    async def stop(self) -> None:
        """End; what was not stored or sent comes again. Idempotent."""
        await self._requests.stop()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._tasks.stop()

    async def put(self, session: Session, event: pb.Event) -> None:
        """Take an event whose body is one of `NEWS`."""
        await self._waiting.put((session, event))

    def connected(self, session: Session) -> None:
        """A session is connected: read what was missed, send what waits."""
        self.stale(session)
        self._requests.wake()

    def stale(self, session: Session) -> None:
        """Settings of a session may have been missed: have them sent again."""
        if session.account_id not in self._syncing:
            self._syncing.add(session.account_id)
            self._tasks.start(self._sync(session), "shared-state-sync")

    async def _store_all(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _GROUP and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            for session, items in groupby(batch, key=lambda item: item[0]):
                await self._store(session, [event for _, event in items])

    async def _store(self, session: Session, events: Sequence[pb.Event]) -> None:
        """Store changes in the order in which they came. What the database does not take now is tried until it does:
        the host sends it again only on its next stream, and a version must not overtake the changes it stands for.
        """
        tags = [event.tag for event in events]
        pause = _FIRST_PAUSE_S
        while True:
            try:
                failpoints.reach("state.before_store")
                owned = await self._database.write(Workspace(session.workspace_id), self._unit, session, events)
            except (BlazzError, OSError) as error:
                if isinstance(error, BlazzError) and error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    await self._one_by_one(session, events)  # it would be refused for ever
                    return
                _log.warning("shared state not stored", account=str(session.account_id), reason=str(error)[:200])
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE_S)
            except Exception:  # noqa: BLE001 - one bad setting must not hold up the rest
                _log.exception("shared state", account=str(session.account_id))
                await self._one_by_one(session, events)
                return
            else:
                break
        self._answer(tags if owned else (), () if owned else tags)
        if any(event.HasField("history_notice") for event in events):
            self.announced()

    async def _one_by_one(self, session: Session, events: Sequence[pb.Event]) -> None:
        """Store what can be stored; what cannot is lost, and said in the log."""
        if len(events) == 1:
            _log.error("a setting or an announcement is lost", account=str(session.account_id))
            self._answer([events[0].tag], ())
            return
        for event in events:
            await self._store(session, [event])

    def _unit(self, tx: Tx, session: Session, events: Sequence[pb.Event]) -> bool:
        if ownership.check(tx, [(session.account_id, events[0].epoch)]):
            return False
        changes = []
        for event in events:
            match event.WhichOneof("body"):
                case "state_change":
                    changes.append(shared_state.Change(tuple(event.state_change.index), event.state_change.value))
                case "history_notice":
                    self._announce(tx, session, event.history_notice)
        if changes:
            shared_state.store(tx, session.account_id, changes)
        for event in events:
            if event.HasField("state_synced"):
                seen = event.state_synced
                shared_state.note_seen(tx, session.account_id, seen.collection, seen.version)
        return True

    def _announce(self, tx: Tx, session: Session, notice: pb.HistoryNotice) -> None:
        imports.announce(
            tx,
            session.account_id,
            notice.message_id,
            notice.notification,
            sync_type=notice.sync_type,
            progress=notice.progress,
            seal=self._secret_box.seal,
        )

    async def _sync(self, session: Session) -> None:
        try:
            engine = self._client()
            if engine is None or not session.connected:
                return
            scope = Workspace(session.workspace_id)
            async with self._sync_gate:
                seen = await self._database.read(scope, shared_state.seen, session.workspace_id, session.account_id)
                await StateClient(engine).sync(session.ref, seen)
        except (EngineError, BlazzError) as error:
            _log.info("settings not read anew", account=str(session.account_id), reason=str(error)[:200])
        finally:
            self._syncing.discard(session.account_id)
