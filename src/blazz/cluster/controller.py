"""The failover controller: every worker watches, one leads. The leader gives up the silent, reassigns what they left,
takes planned moves further, and says what it sees.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import RowMapping

from blazz.cluster import failover, leadership, membership, moves, operations, planned_moves, platform_log
from blazz.cluster import repository_moves as store
from blazz.cluster.assignment import instance_loads
from blazz.cluster.capacity import InstanceLoad
from blazz.cluster.failover import Gone
from blazz.cluster.membership import Instance
from blazz.cluster.watch import Counter, Silent, Watcher
from blazz.events import Wakeups
from blazz.kit import metrics
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import boottime_ns, utc_now

_log = structlog.get_logger(__name__)
_SCOPE = Platform("the controller watches instances and moves their sessions")
_LOOKS_PER_RENEWAL = 3  # so that a renewal is seen soon after it was made
_SETTLE_S = 0.05  # hints that come together are one look
_GAP_LEASES = 0.5  # looks further apart than this part of a lease prove nothing
HOLD = "hold"
_FAILOVERS = metrics.counter("failovers", "Instances whose sessions were given to others.")
_MOVED = metrics.counter("sessions_moved", "Sessions that got another owner by the controller.", ("reason",))
_LEADING = metrics.gauge("controller_leading", "Whether this worker leads the cluster.")
_SILENT = metrics.gauge("instances_silent", "Instances that have not renewed for half a lease, as seen by this worker.")


@dataclass(frozen=True, slots=True)
class View:
    """What one look at the database showed."""

    instances: list[Instance]
    lease: RowMapping | None
    operations: list[operations.Operation]


Observer = Callable[[View, int], None]
"""Told of every look with the time of its answer (boot time, ns), whether this worker leads or not."""


class Controller:
    """Watches from `start` to `stop`; acts while it leads. `name` tells workers apart."""

    def __init__(
        self, database: Database, settings: Settings, name: str, *, clock: Callable[[], int] = boottime_ns
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._lease_ns = int(settings.lease_s * 1e9)
        self._watcher = Watcher(int(self._lease_ns * _GAP_LEASES))
        self._leadership = leadership.Leadership(database, "failover", name)
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._held = False
        self.observers: list[Observer] = []

    @property
    def leading(self) -> bool:
        """Whether this worker leads now."""
        return self._leadership.term(self._clock()) is not None

    def start(self) -> None:
        """Begin to watch."""
        self._wake = Wakeups.shared().subscribe(membership.TOPIC)
        self._task = asyncio.create_task(self._run(self._wake), name="cluster-controller")

    async def stop(self) -> None:
        """End, and let another worker lead at once. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._wake is not None:
            Wakeups.shared().unsubscribe(membership.TOPIC, self._wake)
        with contextlib.suppress(BlazzError, TimeoutError):
            async with asyncio.timeout(leadership.LEASE_S):
                await self._leadership.resign()

    async def _run(self, wake: asyncio.Event) -> None:
        pause_s = self._settings.renew_s / _LOOKS_PER_RENEWAL
        while True:
            wake.clear()
            try:
                async with asyncio.timeout(self._settings.lease_s):
                    again = await self.look()
            except (BlazzError, TimeoutError) as error:
                again = False
                self._forget()
                _log.warning("the controller cannot read the database; watching starts over", error=str(error))
            except Exception:  # noqa: BLE001 - a defect in one look must not end the watching
                again = False
                _log.exception("cluster controller")
            if again:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await wake.wait()
                await asyncio.sleep(_SETTLE_S)

    def _forget(self) -> None:
        self._watcher.forget()
        self._leadership.forget()
        _LEADING.set(0)

    async def look(self) -> bool:
        """Look once and act on it if this worker leads; tells whether more is to be done at once.

        Raises BlazzError when the database refuses.
        """
        asked = self._clock()
        view = await self._database.read(_SCOPE, _view)
        answered = self._clock()
        self._watcher.look([_counter(item) for item in view.instances], asked, answered)
        silent = self._watcher.silent(self._lease_ns // 2)
        _SILENT.set(len(silent))
        await self._leadership.tick(view.lease, asked, answered)
        term = self._leadership.term(self._clock())
        _LEADING.set(term is not None)
        for observer in self.observers:
            observer(view, answered)
        if term is None:
            return False
        try:
            return await self._act(view, term, silent)
        except leadership.NotLeading:
            _log.warning("another worker leads now")
            return False

    async def _act(self, view: View, term: leadership.Term, suspects: list[Silent]) -> bool:
        gave_up = await self._give_up(suspects)
        silent = frozenset(item.counter.id for item in suspects)
        loads = [replace(load, alive=load.id not in silent) for load in instance_loads(view.instances)]
        more = gave_up
        gone_ids = {instance.id for instance in view.instances if failover.is_gone(instance)}
        for instance in view.instances:
            if instance.id in gone_ids:
                gone = Gone(instance.id, instance.generation, instance.released)
                recorded = any(one.kind == "failover" and one.instance_id == gone.id for one in view.operations)
                more = await self._reassign(gone, instance, loads, term, recorded=recorded) or more
        for operation in view.operations:
            if operation.kind != "failover":
                told = await self._database.write(
                    _SCOPE, planned_moves.step, term, operation.id, self._settings, silent
                )
                more = more or told.told > 0
            elif operation.instance_id not in gone_ids:
                # it came back, and what nobody had room for is its own again
                await self._finish_failover(str(operation.instance_id))
        return more

    async def _give_up(self, suspects: list[Silent]) -> bool:
        """Mark instances dead whose lease has run out, unless so many are silent that the fault may be ours.

        `suspects` have missed two renewals: what falls silent at once runs out one after the other.
        """
        over = [item for item in suspects if item.silent_ns >= self._lease_ns]
        if over and len(suspects) * 2 > self._watcher.watched:
            await self._hold(suspects)
            over = [item for item in over if item.silent_ns >= 2 * self._lease_ns]
        else:
            await self._release_hold()
        marked = False
        for item in over:
            seconds = item.silent_ns / 1e9
            counter = item.counter
            if await self._database.write(
                _SCOPE, _mark_dead, counter.id, counter.generation, counter.renewals, seconds
            ):
                _FAILOVERS.inc()
                _log.error("instance given up", instance=counter.id, silent_s=round(seconds, 1))
                marked = True
        return marked

    async def _hold(self, silent: list[Silent]) -> None:
        if self._held:
            return
        self._held = True
        names = sorted(item.counter.id for item in silent)
        _log.critical("more than half of the instances are silent; waiting a second lease", instances=names)
        await self._database.write(_SCOPE, _say_hold, names)

    async def _release_hold(self) -> None:
        if self._held:
            self._held = False
            await self._database.write(_SCOPE, moves.forget_fact, HOLD)

    async def _reassign(
        self, gone: Gone, instance: Instance, loads: Sequence[InstanceLoad], term: leadership.Term, *, recorded: bool
    ) -> bool:
        """Give one batch of what an instance left to others; tells whether there is more to give.

        `recorded`: its failover has a record that is to be ended with the last session.
        """
        left, spread = await self._database.read(_SCOPE, failover.plan, gone, loads, self._settings)
        if not left:
            if recorded:
                await self._finish_failover(instance.id)
            return False
        detail = "both processes are proven gone" if gone.proven else "its lease has run out"
        operation = await self._database.write(_SCOPE, operations.begin_failover, gone.id, left, detail)
        moved = 0
        if spread.moves:
            moved = await self._database.write(
                _SCOPE,
                failover.reassign,
                term,
                gone,
                spread.moves,
                operation_id=operation.id,
                away_at=_away_at(instance, self._settings),
            )
            _MOVED.labels("failover").inc(moved)
            _log.warning("sessions reassigned", instance=gone.id, sessions=moved, left=left - moved)
        waiting = {item.account_id: item.detail for item in spread.waiting}
        if waiting and not moved:
            await self._database.write(_SCOPE, failover.enqueue, term, gone, waiting)
        await self._database.write(_SCOPE, _note_progress, operation, left - moved if waiting else 0)
        if moved == left:
            await self._finish_failover(instance.id)
        return moved > 0 and moved < left

    async def _finish_failover(self, instance_id: str) -> None:
        await self._database.write(_SCOPE, _finish_failover, instance_id)


def _view(tx: Tx) -> View:
    return View(membership.all_instances(tx), store.find_lease(tx, "failover"), operations.running(tx))


def _counter(instance: Instance) -> Counter:
    return Counter(instance.id, instance.generation, instance.renewals, instance.state)


def _away_at(instance: Instance, settings: Settings) -> dt.datetime:
    """When the instance was last known to serve: its last renewal, as far as its clock can be believed."""
    now = utc_now()
    earliest = now - dt.timedelta(seconds=10 * settings.lease_s)
    return min(max(instance.renewed_at, earliest), now)


def _mark_dead(tx: Tx, instance_id: str, generation: int, renewals: int, silent_s: float) -> bool:
    return membership.mark_dead(tx, instance_id, generation, renewals, silent_s=silent_s)


def _say_hold(tx: Tx, names: list[str]) -> None:
    moves.set_fact(tx, HOLD, {"instances": names})
    platform_log.append(tx, "cluster.hold", {"instances": names})


def _note_progress(tx: Tx, operation: operations.Operation, waiting: int) -> None:
    moved, _ = store.count_moves(tx, operation.id)
    if (moved, waiting) != (operation.moved, operation.waiting):
        operations.progress(tx, operation.id, moved=moved, waiting=waiting)


def _finish_failover(tx: Tx, instance_id: str) -> None:
    for operation in operations.running(tx):
        if operation.kind == "failover" and operation.instance_id == instance_id:
            operations.finish(tx, operation.id, "done")
