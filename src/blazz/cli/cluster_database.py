"""The database of a cluster for commands in a terminal: a server by address, or the one beneath a data directory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from blazz.cli.database import settings_for
from blazz.kit.db import Database
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

T = TypeVar("T")


def run(data_dir: Path | None, work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Open the cluster's database for `work` and close it afterwards.

    Raises BlazzError `one_process_runs` (SQLite belongs to the process that runs), `not_running`, `no_installation`,
    `schema_not_current`, and what `work` raises.
    """
    settings = _with_database(settings_for(data_dir))

    async def use() -> T:
        database = await _open(settings)
        try:
            return await work(database, settings)
        finally:
            await database.close()

    _quiet(settings)
    return asyncio.run(use())


def _with_database(settings: Settings) -> Settings:
    from blazz.kit.postgres import PrivatePostgres

    private = settings.data_dir / "postgres"
    if settings.database_url is not None or not (private / "data").is_dir():
        return settings
    address = PrivatePostgres.address(private)
    if address is None:
        raise _not_running(settings)
    return settings.model_copy(update={"database_url": address})


async def _open(settings: Settings) -> Database:
    from blazz import migrations

    if settings.database_url is None and not settings.database_path.exists():
        raise BlazzError(
            "no_installation",
            f"There is no installation in {settings.data_dir}. Name one with --data-dir, or the database of a cluster "
            "with BLAZZ_DATABASE_URL.",
        )
    try:
        if settings.database_url is not None:
            await asyncio.to_thread(migrations.require_current, settings.database_url)
        return await Database.from_settings(settings)
    except BlazzError as error:
        if error.code == "database_in_use":
            raise BlazzError(
                "one_process_runs",
                f"Blazz runs in one process on {settings.data_dir}, and SQLite belongs to that process. Open its page "
                f"Cluster (http://{settings.host}:{settings.port}/cluster), or run several instances: "
                "blazz up --instances 4",
            ) from None
        if error.code == "database_unavailable" and (settings.data_dir / "postgres").is_dir():
            raise _not_running(settings) from None
        raise


def _not_running(settings: Settings) -> BlazzError:
    return BlazzError(
        "not_running", f"The cluster in {settings.data_dir} is not running. Start it with: blazz up --instances 4"
    )


def _quiet(settings: Settings) -> None:
    from blazz.kit.logging import configure_logging

    configure_logging(settings.model_copy(update={"log_level": "error"}))
