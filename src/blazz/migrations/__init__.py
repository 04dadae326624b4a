"""Schema migrations: bring a database forward, or tell how it differs from what this version expects."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection

from blazz.kit.db import metadata
from blazz.kit.db.sqlite import make_engine
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_file
from blazz.migrations import tables as _tables  # noqa: F401 - fills the metadata

_HERE = Path(__file__).parent


def upgrade(path: Path) -> None:
    """Create the SQLite file `path` (0600) or bring its schema to this version, in one transaction.

    Raises BlazzError `database_in_use` while a process runs on it, `database_newer` for the schema of a later version.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(str(path) + ".lock", timeout=0):
            private_file(path)
            engine = make_engine(path)
            try:
                with engine.begin() as connection:
                    command.upgrade(config(connection), "head")
            finally:
                engine.dispose()
    except Timeout:
        raise BlazzError("database_in_use", f"Another Blazz process is using {path}. Stop it first.", 503) from None
    except CommandError as error:
        raise BlazzError("database_newer", f"{path} was made by another version of Blazz ({error}).", 500) from error


def check(path: Path) -> list[str]:
    """Return how the schema differs from this version's, one line per difference; empty when it is the same."""
    engine = make_engine(path, query_only=True)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = [_describe(item) for item in compare_metadata(context, metadata)]
            found, wanted = context.get_current_revision(), ScriptDirectory(str(_HERE)).get_current_head()
    finally:
        engine.dispose()
    if found != wanted:
        differences.insert(0, f"revision {found}, expected {wanted}")
    return differences


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for this package."""
    made = Config()
    made.set_main_option("script_location", str(_HERE))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def _describe(item: object) -> str:
    while isinstance(item, list) and item:
        item = item[0]
    if not isinstance(item, tuple):
        return str(item)
    return " ".join(str(getattr(part, "name", None) or part) for part in item if part is not None)
