"""Alembic's configuration for this package."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from sqlalchemy.engine import Connection

from blazz.migrations import resuming as _resuming  # noqa: F401 - how MariaDB and MySQL take steps


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, for `connection` when given."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made
