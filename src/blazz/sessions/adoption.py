"""Keeps an instance's sessions the same as its assignments: takes up new ones, drops lost ones, gives away moved ones.

A hint after a change makes it look at once; every renewal sees whether something has changed; and it looks again from
time to time whatever was heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from blazz.accounts import service as accounts
from blazz.cluster import service as cluster
from blazz.cluster.routing import owners
from blazz.events import Wakeups
from blazz.kit import failpoints, metrics
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.sessions.registry import Session
from blazz.sessions.supervisor import Supervisor
from blazz.sessions.tasks import TaskSet
from blazz.sessions.transitions import Verdict

_log = structlog.get_logger(__name__)
_SCOPE = Platform("an instance compares its sessions with its assignments")
_EVERY_S = 30.0
_SETTLE_S = 0.02  # hints that come together are one look
_QUIET_S = 3.0  # sends under way may finish before a session moves
_AGAIN_S = 1.0
_MOVING = Verdict("connecting", None, "Moving to another instance.")
_ADOPTED = metrics.counter("sessions_adopted", "Sessions that this instance took up after its start.")
_HANDED_OVER = metrics.counter("sessions_handed_over", "Sessions that this instance gave to another one.")
_LOST = metrics.counter("sessions_lost", "Sessions that were found to have another owner.")


class Adoption:
    """Runs between `start` and `stop`. `quiet` waits until nothing of a session is being sent."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        registration: cluster.Registration,
        supervisor: Supervisor,
        quiet: Callable[[uuid.UUID, float], Awaitable[None]],
    ) -> None:
        self._database = database
        self._registration = registration
        self._supervisor = supervisor
        self._quiet = quiet
        self._gate = asyncio.Semaphore(settings.move_concurrency)
        self._busy: set[uuid.UUID] = set()
        self._gone: dict[uuid.UUID, int] = {}
        """The last epoch of sessions that left: a look that began before still shows them as ours."""
        self._tasks = TaskSet()
        self._wake = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to look."""
        topic = f"instance:{self._registration.instance_id}"
        self._wake = Wakeups.shared().subscribe(topic)
        self._unsubscribe = lambda: Wakeups.shared().unsubscribe(topic, self._wake)
        self._tasks.start(self._run(self._wake), "adoption")

    async def stop(self) -> None:
        """End; sessions that are being handed over stay with whoever the database names. Idempotent."""
        await self._tasks.stop()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    @property
    def busy(self) -> bool:
        """Whether something is being done to a session."""
        return bool(self._busy)

    def hint(self) -> None:
        """Look soon."""
        self._wake.set()

    async def reconcile(self) -> None:
        """Look once. Raises BlazzError when the database refuses."""
        registry = self._supervisor.registry
        known = list(registry)
        specs, stopped = await self._database.read(_SCOPE, self._look, [session.account_id for session in known])
        wanted = {spec.account_id: spec for spec in specs}
        for session in known:
            if registry.get(session.account_id) is not session:
                continue  # it came or went while we looked: what was read is older
            spec = wanted.get(session.account_id)
            if spec is not None and spec.epoch == session.epoch:
                self._compare(session, spec)
            elif spec is None and stopped.get(session.account_id) == session.epoch:
                if session.started:
                    self._begin(session, self._stop)
            else:
                self._begin(session, self._drop)
        for spec in specs:
            if registry.get(spec.account_id) is None and spec.epoch > self._gone.get(spec.account_id, 0):
                self._gone.pop(spec.account_id, None)
                _ADOPTED.inc()
                self._supervisor.adopt(spec)

    def _look(self, tx: Tx, known: list[uuid.UUID]) -> tuple[list[accounts.SessionSpec], dict[uuid.UUID, int]]:
        """Return what shall run here, and the epochs of known sessions that are ours and shall be stopped."""
        me = self._registration
        specs = accounts.sessions_to_run(tx, me.instance_id, me.generation)
        running = {spec.account_id for spec in specs}
        others = [account_id for account_id in known if account_id not in running]
        stopped = {
            account_id: owner.epoch
            for account_id, owner in (owners(tx, others) if others else {}).items()
            if (owner.instance_id, owner.generation) == (me.instance_id, me.generation)
        }
        return specs, stopped

    def _compare(self, session: Session, spec: accounts.SessionSpec) -> None:
        if spec.move_to is not None:
            self._begin(session, self._hand_over)
        elif session.interrupted and session.account_id not in self._busy:
            session.interrupted = False
            self._supervisor.resume(session)

    def _begin(self, session: Session, work: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        """Do one thing to a session, unless something is being done to it already."""
        if session.account_id not in self._busy:
            self._busy.add(session.account_id)
            self._tasks.start(self._guarded(session, work), "session-change")

    async def _guarded(self, session: Session, work: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        try:
            await work(session)
        except BlazzError as error:
            _log.warning("session not changed yet", account=str(session.account_id), error=str(error))
            self._tasks.start(self._hint_later(), "adoption-again")
        finally:
            self._busy.discard(session.account_id)

    async def _run(self, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            try:
                await self._supervisor.lease.until_valid()
                await self.reconcile()
                pause = _EVERY_S
            except BlazzError as error:
                pause = _AGAIN_S
                _log.warning("sessions not compared with assignments", error=str(error))
            except Exception:  # noqa: BLE001 - a defect in one look must not end the looking
                pause = _AGAIN_S
                _log.exception("adoption")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await wake.wait()
                await asyncio.sleep(_SETTLE_S)

    async def _stop(self, session: Session) -> None:
        """End a session whose stop command was lost, unless it was wanted again meanwhile."""
        async with self._supervisor.lock(session.account_id):
            if session.started and not await self._database.read(_SCOPE, _wanted, session.account_id):
                await self._supervisor.end(session, None)

    async def _drop(self, session: Session) -> None:
        """Forget a session that has another owner now; nothing of it may be written any more."""
        _LOST.inc()
        _log.warning("session belongs to another owner now", account=str(session.account_id), epoch=session.epoch)
        async with self._supervisor.lock(session.account_id):
            if self._supervisor.registry.get(session.account_id) is session:
                self._forget(session)
            await self._supervisor.end(session, None)
        self.hint()  # it may be ours again, under another epoch

    async def _hand_over(self, session: Session) -> None:
        async with self._gate, self._supervisor.lock(session.account_id):
            if self._supervisor.registry.get(session.account_id) is session:
                await self._move(session)

    async def _move(self, session: Session) -> None:
        """Close the session here, then give it away; a cut in between leaves it ours, and closed."""
        session.leaving = True
        try:
            await self._quiet(session.account_id, _QUIET_S)
            away_at = utc_now()
            session.interrupted = True
            closed = await self._supervisor.end(session, _MOVING if session.linked else None)
            failpoints.reach("handover.closed")
            given = await self._database.write(
                Workspace(session.workspace_id),
                cluster.hand_over,
                session.workspace_id,
                session.account_id,
                session.epoch,
                away_at,
                closed=closed,
            )
        finally:
            session.leaving = False
        failpoints.reach("handover.committed")
        if given is not None:
            _HANDED_OVER.inc()
            self._forget(session)
            _log.info("session handed over", account=str(session.account_id), to=given.to_instance_id)
        self.hint()

    def _forget(self, session: Session) -> None:
        self._gone[session.account_id] = session.epoch
        self._supervisor.registry.remove(session.account_id)

    async def _hint_later(self) -> None:
        await asyncio.sleep(_AGAIN_S)
        self.hint()


def _wanted(tx: Tx, account_id: uuid.UUID) -> bool:
    row = cluster.assignment(tx, account_id)
    return row is not None and row.wanted == "running"
