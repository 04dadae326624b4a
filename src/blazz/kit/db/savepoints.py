"""Savepoints of database servers, straight to the driver: SQLAlchemy's own cost as much as two statements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.engine import Connection

from blazz.kit.db.group import Savepoints


def savepoints(connection: Connection) -> Savepoints:
    """Return what sets savepoints in the transaction of `connection`."""
    return _Postgres(connection) if connection.dialect.name == "postgresql" else _MySQL(connection)


class _Driver:
    """The driver's connection. One that fails here, past SQLAlchemy's eyes, is not used again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver: Any = connection.connection.dbapi_connection

    def run(self, send: Callable[[Any], Awaitable[Any]]) -> None:
        try:
            self._driver.run_async(send)
        except BaseException as error:
            self._connection.invalidate(error)
            raise

    def begin(self) -> None:
        """Begin as SQLAlchemy does, so that it knows, with the first savepoint."""
        cursor = self._driver.cursor()
        try:
            cursor.execute("SAVEPOINT unit")
        except BaseException as error:
            self._connection.invalidate(error)
            raise
        cursor.close()


class _Postgres:
    """A savepoint must be released, or they nest; the release travels with the next savepoint or the commit."""

    def __init__(self, connection: Connection) -> None:
        self._driver = _Driver(connection)
        self._begun = False

    def set(self) -> None:
        if self._begun:
            self._run("RELEASE SAVEPOINT unit; SAVEPOINT unit")
        else:
            self._begun = True
            self._driver.begin()

    def back(self) -> None:
        self._run("ROLLBACK TO SAVEPOINT unit")

    def drop(self) -> None:
        """Done by the next one."""

    def _run(self, statement: str) -> None:
        self._driver.run(lambda connection: connection.execute(statement))


class _MySQL:
    """A savepoint of the same name replaces the one before."""

    def __init__(self, connection: Connection) -> None:
        self._driver = _Driver(connection)

    def set(self) -> None:
        self._run("SAVEPOINT unit")

    def back(self) -> None:
        self._run("ROLLBACK TO SAVEPOINT unit")

    def drop(self) -> None:
        """Done by the next one."""

    def _run(self, statement: str) -> None:
        self._driver.run(lambda connection: connection.query(statement))
