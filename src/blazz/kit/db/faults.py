"""What a driver's error means for the transaction: repeat it, connect again, or give up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from blazz.kit.failpoints import FailpointError

T = TypeVar("T")


class Fault(Enum):
    """Kinds of failure."""

    CONFLICT = "conflict"
    """Deadlock, serialization failure, a lock not had in time: undone by the server, may succeed when repeated."""
    UNIQUE = "unique"
    """A unique key is taken: perhaps by a row of another process that can be seen now."""
    LOST = "lost"
    """The connection is gone or could not be made."""
    BUSY = "busy"
    """No connection of the pool was free in time."""
    OTHER = "other"


# SQLSTATE: 40001 serialization_failure, 40P01 deadlock_detected, 55P03 lock_not_available (lock_timeout)
_PG_CONFLICT = {"40001", "40P01", "55P03"}
_PG_UNIQUE = {"23505"}
# class 08 connection exceptions; 57P01-57P05 shutdown, crash, starting up, database dropped, idle session ended;
# 25P03 idle in a transaction for too long; 53300 too many connections
_PG_LOST = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "53300"}
# 1213 deadlock, 1205 lock wait time-out, 1020 record changed since last read (snapshot isolation of MariaDB)
_MY_CONFLICT = {1213, 1205, 1020}
_MY_UNIQUE = {1062, 1586}
# 1040 too many connections, 1053 shutting down, 1927 killed, 2002/2003 cannot connect, 2006/2013/2055 lost,
# 4031 idle for too long
_MY_LOST = {1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031}


def fault_of(error: BaseException) -> Fault:
    """Classify an error raised by a unit of work, a driver or the pool."""
    if isinstance(error, PoolTimeout):
        return Fault.BUSY
    if isinstance(error, FailpointError):
        return Fault.OTHER
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Fault.LOST
    for part in _parts(error):
        fault = _fault_of_one(part)
        if fault is not Fault.OTHER:
            return fault
    return Fault.OTHER


def _fault_of_one(error: BaseException) -> Fault:
    code = error.args[0] if error.args else None
    if isinstance(code, int) and type(error).__module__.startswith("asyncmy"):
        return _by_code(code, _MY_CONFLICT, _MY_UNIQUE, _MY_LOST, False)
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return _by_code(state, _PG_CONFLICT, _PG_UNIQUE, _PG_LOST, state.startswith("08"))
    if isinstance(error, asyncio.IncompleteReadError | ConnectionError | OSError):
        return Fault.LOST  # a time-out of the driver is an OSError too
    text = str(error)
    if type(error).__module__.startswith("asyncpg") and ("closed" in text or "connection" in text.lower()):
        return Fault.LOST
    return Fault.OTHER


def _by_code(code: T, conflict: set[T], unique: set[T], lost: set[T], other_lost: bool) -> Fault:
    if code in conflict:
        return Fault.CONFLICT
    if code in unique:
        return Fault.UNIQUE
    return Fault.LOST if code in lost or other_lost else Fault.OTHER


def _parts(error: BaseException) -> Iterator[BaseException]:
    """Yield what the driver raised, beneath what SQLAlchemy made of it. A unit's own errors are never looked into."""
    if not isinstance(error, DBAPIError):
        if isinstance(error, OSError) or type(error).__module__.startswith(("asyncpg", "asyncmy")):
            yield error
        return
    part: BaseException | None = error.orig
    while part is not None:
        yield part
        part = part.__cause__
