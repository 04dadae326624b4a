"""Units that are committed together: each in a savepoint of its own, what they share written once, at the end.

A group is one transaction. Domains hand over what can be written for all units at once (`Tx.flush_together`); it is
written when no unit will run any more, so that the locks taken there (the heads of event logs) are held for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from sqlalchemy.engine import Connection

from blazz.kit.db import guard
from blazz.kit.db.database import Flush, Postponed, Tx, translate
from blazz.kit.db.scope import Platform, Scope, Workspace, Workspaces

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Unit:
    """A unit of work that waits, runs, and has an outcome."""

    scope: Scope
    work: Callable[[Tx], Any]
    future: asyncio.Future[Any]
    since: float
    """Monotonic time at which it was handed in."""
    result: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] = field(default_factory=list)
    repeats: int = 0


class Savepoints(Protocol):
    """How a driver sets a savepoint, goes back to it and forgets it."""

    def set(self) -> None: ...
    def back(self) -> None: ...
    def drop(self) -> None: ...


class Group:
    """One transaction on its way: run units, flush, and after the commit deliver."""

    def __init__(
        self, connection: Connection, savepoints: Savepoints | None, fatal: Callable[[BaseException], bool]
    ) -> None:
        """`fatal` tells errors that undo the whole transaction; without savepoints every error does."""
        self._connection = connection
        self._savepoints = savepoints
        self._fatal = fatal
        self._kept: list[tuple[Unit, Tx]] = []
        self._callbacks: list[Callable[[], None]] = []
        self._claims: set[Hashable] = set()

    def run(self, unit: Unit) -> None:
        """Run one unit; its error becomes its outcome, its changes are undone.

        Raises Postponed when the unit wants to be in a later group, and what is `fatal`.
        """
        if self._savepoints is not None:
            self._savepoints.set()
        unit.error = None
        tx = Tx(self._connection, unit.scope, self)
        try:
            unit.result = self._under(unit.scope, unit.work, tx)
        except BaseException as error:
            if self._savepoints is None or self._fatal(error):
                raise
            unit.error = None if isinstance(error, Postponed) else error
            self._savepoints.back()
            self._savepoints.drop()
            if unit.error is None:
                raise
            return
        self._kept.append((unit, tx))
        if self._savepoints is not None:
            self._savepoints.drop()

    def flush(self) -> None:
        """Write what the units handed over together, then let each finish. Raises whatever these raise."""
        self._write_together()
        for unit, tx in self._kept:
            unit.callbacks = self._under(unit.scope, Tx.finish, tx)
        self._write_together()  # what the finishers handed over

    def _write_together(self) -> None:
        together: dict[tuple[int, Flush[Any]], list[Any]] = {}
        scopes: list[Scope] = []
        for unit, tx in self._kept:
            for order, flush, item in tx.shares:
                together.setdefault((order, flush), []).append(item)
                scopes.append(unit.scope)
            tx.shares.clear()
        if together:
            scope = union(scopes)
            last = Tx(self._connection, scope, None)
            for (_, flush), items in sorted(together.items(), key=lambda entry: entry[0][0]):
                self._under(scope, flush, last, items)
            self._callbacks += last.finish()

    def waiting(self, flush: Flush[Any]) -> Sequence[Any]:
        """Return what earlier units of this group handed to `flush`."""
        return [item for _, tx in self._kept for _, known, item in tx.shares if known is flush]

    def claim(self, key: Hashable) -> bool:
        """Take `key` for a unit of this group; False when an earlier one has it."""
        if key in self._claims:
            return False
        self._claims.add(key)
        return True

    def deliver(self, units: Iterable[Unit]) -> None:
        """Tell the outcome to those who wait; on the event loop's thread, after the commit."""
        deliver(units, self._callbacks)

    def _under(self, scope: Scope, work: Callable[..., Any], *args: Any) -> Any:
        self._connection.execution_options(**{guard.SCOPE_OPTION: scope})
        try:
            return work(*args)
        finally:
            self._connection.execution_options(**{guard.SCOPE_OPTION: None})


def deliver(units: Iterable[Unit], callbacks: Sequence[Callable[[], None]] = ()) -> None:
    """Call the callbacks of a commit and resolve the futures of its units."""
    for callback in callbacks:
        _call(callback)
    for unit in units:
        if unit.error is None:
            for callback in unit.callbacks:
                _call(callback)
        if not unit.future.done():
            if unit.error is not None:
                unit.future.set_exception(translate(unit.error))
            else:
                unit.future.set_result(unit.result)


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001 - the unit is durable and the next one must hear of its own result
        _log.exception("a callback after a commit failed")


def union(scopes: Sequence[Scope]) -> Scope:
    """Return the scope that allows what any of `scopes` allows."""
    ids: set[Any] = set()
    for scope in scopes:
        if isinstance(scope, Platform):
            return scope
        ids |= {scope.id} if isinstance(scope, Workspace) else scope.ids
    return Workspace(ids.pop()) if len(ids) == 1 else Workspaces.of(ids)
