"""`blazz secret`: change the key that seals secrets in the database and signs calls between processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from blazz.cli.console import fail, guarded, line
from blazz.cli.database import DataDir, database_of, must_exist, settings_for
from blazz.kit.errors import BlazzError, conflict
from blazz.kit.settings import Settings

if TYPE_CHECKING:
    from blazz.kit.db import Database
    from blazz.kit.db.sealed import Resealed, SealedColumn
    from blazz.kit.secret_keys import SecretKeys

app = typer.Typer(help="The secret key of the installation.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Commands of the secret key."""


@app.command()
def rotate(data_dir: DataDir = None) -> None:
    """Seal everything with a new secret key. Run it again if it was cut off.

    With a key file in the data directory: stop Blazz first; a new key is made. With BLAZZ_SECRET_KEY: nothing stops,
    but every role must have been started with the new key as BLAZZ_SECRET_KEY and the old one as
    BLAZZ_SECRET_KEY_PREVIOUS before; run it with the same two.
    """
    guarded(lambda: _rotate(settings_for(data_dir)))


def _rotate(settings: Settings) -> None:
    with database_of(settings) as target:
        must_exist(target)
        place = settings if isinstance(target, Path) else settings.model_copy(update={"database_url": target})
        done = asyncio.run(_on_database(place))
    line(f"{done.values} secret(s) are sealed with the present key, {done.changed} of them anew.")
    if done.changed and settings.secret_key:
        line("Run this command once more; when it seals none anew, BLAZZ_SECRET_KEY_PREVIOUS may be taken away.")


async def _on_database(settings: Settings) -> Resealed:
    from blazz import migrations
    from blazz.kit.logging import configure_logging

    configure_logging(settings.model_copy(update={"log_level": "error"}))
    await asyncio.to_thread(migrations.require_current, settings.database_url or settings.database_path)
    async with _opened(settings) as database:
        return await (_with_given_keys if settings.secret_key else _with_key_files)(database, settings)


async def _with_given_keys(database: Database, settings: Settings) -> Resealed:
    from blazz.cli.foundation import keys_of

    keys = keys_of(settings, create=False)
    if keys.previous is None:
        raise BlazzError(
            "secret_key_previous_needed",
            "Set the new key as BLAZZ_SECRET_KEY and the old one as BLAZZ_SECRET_KEY_PREVIOUS, for every role and "
            "here. Make a new one with: openssl rand -base64 32. The whole way is in docs/operations/secrets.md.",
        )
    return await _reseal_all(database, keys)


async def _with_key_files(database: Database, settings: Settings) -> Resealed:
    """Nobody else reads these files while a key is changed: whoever runs has the old one in memory."""
    from blazz.cluster.service import live_roles
    from blazz.kit import secret_keys
    from blazz.kit.db import Platform

    on_server = settings.database_url is not None  # a SQLite file that we could open has nobody else
    alive = await database.read(Platform("blazz secret rotate"), live_roles) if on_server else []
    if alive:
        names = ", ".join(f"{one.role} {one.id} on {one.host}" for one in alive[:5])
        raise conflict(
            "roles_alive",
            f"Stop Blazz first; these run: {names}. (One that was killed is listed for half a minute.) To change the "
            "key while it runs, give it by BLAZZ_SECRET_KEY instead of a file.",
        )
    keys = await asyncio.to_thread(secret_keys.begin_change, settings.data_dir)
    done = await _reseal_all(database, keys)
    await asyncio.to_thread(secret_keys.end_change, settings.data_dir)
    return done


async def _reseal_all(database: Database, keys: SecretKeys) -> Resealed:
    from blazz.cli.key_facts import compare_keys, settle_key
    from blazz.kit.db import Platform
    from blazz.kit.db.sealed import Resealed, reseal

    scope, box, total = Platform("blazz secret rotate"), keys.box(), Resealed()
    await database.write(scope, compare_keys, keys)
    for column in sealed_columns():
        done = await reseal(database, box, column)
        total.values += done.values
        total.changed += done.changed
        total.unreadable += done.unreadable
    if total.unreadable:
        fail(
            f"{total.unreadable} of {total.values} secret(s) open with neither key; both keys must stay. They were "
            "sealed with a third one: set that as BLAZZ_SECRET_KEY_PREVIOUS and run this again."
        )
    await database.write(scope, settle_key, keys)
    return total


def sealed_columns() -> list[SealedColumn]:
    """Return all that is sealed in the database."""
    from blazz.media.sealed import SEALED as MEDIA
    from blazz.messaging.sealed import SEALED as MESSAGING

    return [MEDIA, MESSAGING]


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    from blazz.kit.db import Database

    database = await Database.from_settings(settings)
    try:
        yield database
    finally:
        await database.close()
