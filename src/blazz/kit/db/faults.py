"""What a driver's error means for the transaction: repeat it, connect again, or give up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from blazz.kit.failpoints import FailpointError


class Fault(Enum):
    """Kinds of failure."""

    CONFLICT = "conflict"
    """Deadlock, serialization failure, a lock not had in time: undone by the server, may succeed when repeated."""
    RACE = "race"
    """A unique key is taken, or a parent is gone: perhaps by another process, and can be seen now."""
    CONTENT = "content"
    """The values cannot be stored: too long, out of range, not text, against another constraint."""
    LOST = "lost"
    """The connection is gone or could not be made."""
    BUSY = "busy"
    """No connection of the pool was free in time."""
    OTHER = "other"


# SQLSTATE: 40001 serialization_failure, 40P01 deadlock_detected, 55P03 lock_not_available (lock_timeout)
_PG_CONFLICT = {"40001", "40P01", "55P03"}
_PG_RACE = {"23503", "23505"}
# class 08 connection exceptions; 57P01-57P05 shutdown, crash, starting up, database dropped, idle session ended;
# 25P03 idle in a transaction for too long; 53300 too many connections
_PG_MODULES = ("asyncpg", "sqlalchemy.dialects.postgresql")
_PG_LOST = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "53300"}
# class 22 data exceptions, class 23 violated constraints
_PG_CONTENT = ("22", "23")
# 1213 deadlock, 1205 lock wait time-out, 1020 record changed since last read (snapshot isolation of MariaDB)
_MY_CONFLICT = {1213, 1205, 1020}
_MY_RACE = {1062, 1451, 1452, 1586}
# 1040 too many connections, 1053 shutting down, 1927 killed, 2002/2003 cannot connect, 2006/2013/2055 lost,
# 4031 idle for too long
_MY_LOST = {1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031}
# 1048 null, 1264 out of range, 1265/1292/1366 not of this type or character set, 1406 too long,
# 3140 not JSON, 3819/4025 check constraint
_MY_CONTENT = {1048, 1264, 1265, 1292, 1366, 1406, 3140, 3819, 4025}


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
    module = type(error).__module__
    code = error.args[0] if error.args else None
    if isinstance(code, int) and module.startswith("asyncmy"):
        return _mysql_fault(code)
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return _postgres_fault(state)
    if isinstance(error, asyncio.IncompleteReadError | OSError):
        return Fault.LOST  # a time-out of the driver is an OSError too
    if module.startswith(_PG_MODULES):
        if isinstance(error, ValueError):
            return Fault.CONTENT  # the driver itself could not put a value into its type
        text = str(error).lower()
        if "closed" in text or "connection" in text or "another operation" in text:
            return Fault.LOST  # also a session that was cut in the middle of an answer
    return Fault.OTHER


def _postgres_fault(state: str) -> Fault:
    if state in _PG_CONFLICT:
        return Fault.CONFLICT
    if state in _PG_RACE:
        return Fault.RACE
    if state in _PG_LOST or state.startswith("08"):
        return Fault.LOST
    return Fault.CONTENT if state.startswith(_PG_CONTENT) else Fault.OTHER


def _mysql_fault(code: int) -> Fault:
    for codes, fault in (
        (_MY_CONFLICT, Fault.CONFLICT),
        (_MY_RACE, Fault.RACE),
        (_MY_LOST, Fault.LOST),
        (_MY_CONTENT, Fault.CONTENT),
    ):
        if code in codes:
            return fault
    return Fault.OTHER


def _parts(error: BaseException) -> Iterator[BaseException]:
    """Yield what the driver raised, beneath what SQLAlchemy made of it. A unit's own errors are never looked into."""
    if not isinstance(error, DBAPIError):
        if not isinstance(error, OSError) and not type(error).__module__.startswith((*_PG_MODULES, "asyncmy")):
            return
        part: BaseException | None = error
    else:
        part = error.orig
    while part is not None:
        yield part
        part = part.__cause__
