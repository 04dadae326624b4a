"""A writer lane: one connection, and the units that are committed over it in groups, one group after the other.

What waits is committed together. A group that fails as a whole is undone, and its units commit one by one, where a
deadlock or a race is repeated. A connection lost before the commit was sent is replaced once; lost during the commit,
the outcome is unknown and told as such: never repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from blazz.kit import failpoints
from blazz.kit.db.database import Postponed
from blazz.kit.db.faults import Fault, fault_of
from blazz.kit.db.group import Group, Unit, deliver
from blazz.kit.db.options import ServerOptions
from blazz.kit.db.savepoints import savepoints
from blazz.kit.errors import BlazzError, unavailable

_log = structlog.get_logger(__name__)
_GROUP_UNITS = 128  # bounds what a deadlock undoes
_GROUP_SECONDS = 0.05  # bounds how long the first unit of a group waits for the others
_CONFLICTS = 8  # tries of a unit alone after deadlocks
_RACES = 2  # tries of a unit alone after a violated unique or foreign key
_LOST = 1  # fresh connections for a unit
_PATIENCE_S = 10.0  # no further try of a unit after this time: others wait behind it
_PAUSE_S = 0.02  # before another try, doubled each time, with jitter
_PAUSE_MAX_S = 0.5


class OutcomeUnknown(Exception):
    """The commit was sent and its answer never came. The cause is its `__cause__`."""


class Lane:
    """One connection for writes. All methods belong to the event loop's thread."""

    def __init__(self, name: str, engine: AsyncEngine, options: ServerOptions, lost: Callable[[], None]) -> None:
        """`lost` is called when a connection turned out to be dead: others of its age probably are, too."""
        self.name = name
        self._lost = lost
        self._engine = engine
        self._options = options
        self._queue: deque[Unit] = deque()
        self._taken: list[Unit] = []
        self._connected = False
        self._news = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name=f"db-write-{name}")
        # the longest that one transaction may take before the network is taken for dead
        self._limit_s = 2 * options.statement_timeout_s + options.lock_timeout_s

    @property
    def waiting(self) -> int:
        """How many units wait here."""
        return len(self._queue)

    def submit(self, unit: Unit) -> None:
        """Queue a unit; its future gets the outcome."""
        self._queue.append(unit)
        self._news.set()

    async def close(self) -> None:
        """Commit what waits, within a bound, and end."""
        self._closing = True
        self._news.set()
        try:
            async with asyncio.timeout(self._limit_s):
                await asyncio.shield(self._task)
        except TimeoutError:
            self._task.cancel()
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            self._task.cancel()
            raise

    async def _run(self) -> None:
        try:
            while self._queue or not self._closing:
                if not self._queue:
                    self._news.clear()
                    await self._news.wait()
                    continue
                await self._commit_some()
        finally:
            left = [unit for unit in (*self._taken, *self._queue) if not unit.future.done()]
            self._fail(left, unavailable("shutting_down", "The server is shutting down."))

    async def _commit_some(self) -> None:
        """Commit what waits as one group."""
        units = self._taken = []
        try:
            await self._transaction(units, alone=False)
        except OutcomeUnknown as unknown:
            self._unknown(units, unknown)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            await self._after_failure(units, error)
        else:
            # a unique key may have been taken by a row that can be seen now
            for unit in [unit for unit in units if unit.error is not None and _is_race(unit.error)]:
                unit.error = None
                await self._commit_alone(unit)

    async def _after_failure(self, units: list[Unit], error: BaseException) -> None:
        fault = fault_of(error)
        if fault is Fault.LOST:
            self._lost()
        if not self._connected:
            # there is no server: tell everybody who waits now rather than one time-out after the other
            self._fail([*units, *self._queue], error)
            self._queue.clear()
            return
        if fault is Fault.LOST and all(unit.repeats < _LOST for unit in units):
            for unit in units:
                unit.repeats += 1
            self._queue.extendleft(reversed(units))
            return
        _log.info("a group is committed one by one", lane=self.name, units=len(units), reason=fault.value)
        for index, unit in enumerate(units):
            await self._commit_alone(unit)
            if not self._connected:
                self._fail(units[index + 1 :], error)
                return

    async def _commit_alone(self, unit: Unit) -> None:
        """Run one unit in a transaction of its own until it has an outcome."""
        tries = dict.fromkeys(Fault, 0)
        began = time.monotonic()
        limits = {Fault.CONFLICT: _CONFLICTS, Fault.RACE: _RACES, Fault.LOST: _LOST - unit.repeats}
        while True:
            try:
                await self._transaction([unit], alone=True)
                return
            except OutcomeUnknown as unknown:
                self._unknown([unit], unknown)
                return
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                fault = fault_of(error)
                if fault is Fault.LOST:
                    self._lost()
                if tries[fault] >= limits.get(fault, 0) or time.monotonic() - began > _PATIENCE_S:
                    self._fail([unit], error)
                    return
                pause = min(_PAUSE_S * 2 ** tries[fault], _PAUSE_MAX_S)
                tries[fault] += 1
            if fault is Fault.CONFLICT:
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def _transaction(self, units: list[Unit], *, alone: bool) -> None:
        """Run one transaction and deliver its outcomes. `units` is filled with those that ran, unless `alone`."""
        committing = committed = False
        group: Group | None = None

        self._connected = False

        def work(connection: Connection) -> Group:
            self._connected = True
            connection.begin()
            made = Group(connection, None if alone else savepoints(connection), _undoes_all)
            if alone:
                made.run(units[0])
            else:
                self._fill(made, units)
            made.flush()
            return made

        try:
            async with asyncio.timeout(self._limit_s), self._engine.connect() as connection:
                group = await connection.run_sync(work)
                failpoints.reach("db.before_commit")
                committing = True
                await connection.commit()
                committed = True
        except BaseException as error:
            if committed and group is not None and not isinstance(error, Exception):
                self._deliver(group, units)  # it is stored; only the way out was cut
            if not committed and committing and not _known_undone(error):
                raise OutcomeUnknown from error
            if not committed or not isinstance(error, Exception):
                raise
            _log.warning("a connection could not be given back after its commit", error=type(error).__name__)
        assert group is not None
        try:
            failpoints.reach("db.after_commit")
        except Exception as error:
            raise OutcomeUnknown from error  # it is stored, and nobody hears of it
        self._deliver(group, units)

    @staticmethod
    def _deliver(group: Group, units: list[Unit]) -> None:
        """Tell the outcomes of a commit, except of those that are tried again."""
        group.deliver(unit for unit in units if unit.error is None or not _is_race(unit.error))

    def _fill(self, group: Group, units: list[Unit]) -> None:
        deadline = time.monotonic() + _GROUP_SECONDS
        while self._queue and len(units) < _GROUP_UNITS:
            unit = self._queue.popleft()
            if unit.future.done():
                continue  # nobody waits any more, and it has not begun
            if time.monotonic() - unit.since > self._options.queue_timeout_s:
                self._fail([unit], busy())
                continue
            units.append(unit)
            try:
                group.run(unit)
            except Postponed:
                self._queue.appendleft(units.pop())
                return
            if time.monotonic() >= deadline:
                return

    def _unknown(self, units: list[Unit], unknown: OutcomeUnknown) -> None:
        self._lost()
        self._fail(units, _unknown(unknown))
        if isinstance(unknown.__cause__, asyncio.CancelledError):
            raise unknown.__cause__

    def _fail(self, units: list[Unit], error: BaseException) -> None:
        for unit in units:
            unit.error = _seen(error)
        deliver(units)


def busy() -> BlazzError:
    """The error of a unit for which there is no room."""
    return unavailable("database_busy", "Too much is waiting to be written. Try again in a moment.")


def _undoes_all(error: BaseException) -> bool:
    """Tell whether the group ends with this error: the server has undone it, or it cannot be finished."""
    if isinstance(error, Postponed):
        return False
    if not isinstance(error, Exception):
        return True  # cancelled, or out of time
    return fault_of(error) in (Fault.CONFLICT, Fault.LOST)


def _is_race(error: BaseException) -> bool:
    return fault_of(error) is Fault.RACE


def _known_undone(error: BaseException) -> bool:
    """Tell whether the server itself answered a commit with: undone."""
    return isinstance(error, DBAPIError) and fault_of(error) in (Fault.CONFLICT, Fault.RACE)


def _seen(error: BaseException) -> BaseException:
    """Return what callers see; a driver that cannot connect raises errors of the system's own."""
    if isinstance(error, DBAPIError) or fault_of(error) is not Fault.LOST:
        return error
    failure = unavailable("database_unavailable", f"The database server is away: {type(error).__name__}.")
    failure.__cause__ = error
    return failure


def _unknown(unknown: OutcomeUnknown) -> BlazzError:
    failure = unavailable(
        "database_unavailable", "The database went away during a commit; whether the change was stored is not known."
    )
    failure.__cause__ = unknown.__cause__
    return failure
