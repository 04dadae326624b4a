"""Schema migrations: bring a database forward, or tell how it differs from what this version expects.

A database is named by the path of a SQLite file or by the URL of a server. The functions here block; on an event loop
they are called through `asyncio.to_thread`.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from blazz.kit.db import metadata
from blazz.kit.errors import BlazzError
from blazz.migrations import tables as _tables  # noqa: F401 - fills the metadata
from blazz.migrations import targets
from blazz.migrations.compare import differences
from blazz.migrations.environment import config
from blazz.migrations.revisions import COPYING, Plan, plan, runs_on, wanted
from blazz.migrations.targets import Target

_log = structlog.get_logger(__name__)

__all__ = ["Plan", "Target", "check", "config", "pending", "require_current", "revision", "upgrade"]


def upgrade(target: Target) -> None:
    """Create the database or bring its schema to this version; two at once wait for each other.

    In one transaction on SQLite and PostgreSQL; MariaDB and MySQL commit every step, and a run that was cut off is
    taken up where it ended. The schema of a later version that this one runs on is left as it is. Raises BlazzError
    `database_in_use` while a process runs on a SQLite file, `database_newer` for the schema of a later version that
    this one does not run on, `database_unavailable`, `database_unsuitable`, `schema_incomplete` when the result is not
    what it should be.
    """
    targets.upgrading(target, lambda connection: _upgrade(connection, targets.name(target)))


def pending(target: Target) -> Plan:
    """Return what `upgrade` would do to an existing database. Raises BlazzError as `upgrade` does."""
    return targets.reading(target, lambda connection: _plan(connection, targets.name(target)))


def require_current(target: Target) -> None:
    """Refuse a database that this version cannot run on, without changing it.

    Raises BlazzError `schema_not_current` when it has to be upgraded first, `database_newer` as `upgrade` does.
    """
    if isinstance(target, Path) and not target.exists():
        raise BlazzError("schema_not_current", f"{target} does not exist. Create it with: blazz db upgrade", 503)
    found = pending(target)
    if found.steps:
        state = f"is at {found.found}, this version needs {found.wanted}" if found.found else "has no tables"
        raise BlazzError("schema_not_current", f"{targets.name(target)} {state}. Run: blazz db upgrade", 503)


def check(target: Target) -> list[str]:
    """Return how the schema differs from this version's, one line per difference; empty when it fits.

    What a later version has added is no difference as long as this version runs on it.
    """
    return targets.reading(target, _check)


def revision(connection: Connection) -> str | None:
    """Return the revision that a database says it has, None when it has no tables."""
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, name: str) -> None:
    found = _plan(connection, name)
    if found.later:
        _log.info("the schema is a later version's, which this one runs on", revision=found.found)
        return
    try:
        command.upgrade(config(connection), "head")
    except CommandError as error:
        raise BlazzError("database_newer", f"{name} was made by another version of Blazz ({error}).", 500) from error
    if found.steps and not targets.transactional(connection) and (wrong := differences(connection, metadata)):
        raise BlazzError(
            "schema_incomplete",
            f"{name} is not what it should be after the upgrade: {'; '.join(wrong)}. Restore the last backup.",
            500,
        )


def _check(connection: Connection) -> list[str]:
    found = revision(connection)
    later = runs_on(found) and plan(found).later
    lines = differences(connection, metadata, more_is_fine=later)
    if found != wanted() and not later:
        lines.insert(0, f"revision {found}, expected {wanted()}")
    return lines


def _plan(connection: Connection, name: str) -> Plan:
    found = revision(connection)
    if found is not None and found.startswith(COPYING):
        raise BlazzError(
            "copy_unfinished",
            f"{name} holds a copy that was not finished. Run `blazz db copy` again, where the original is.",
            503,
        )
    if not runs_on(found):
        raise BlazzError(
            "database_newer",
            f"{name} was made by a later version of Blazz (schema {found}; this version knows {wanted()})."
            " Install that version.",
            500,
        )
    return plan(found)
