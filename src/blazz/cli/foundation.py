"""What every role stands on: the database of one network, the secret key, the media files, hints between processes."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from blazz import migrations
from blazz.cli.fleet.mode import claim_mode
from blazz.cli.key_facts import compare_keys
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform
from blazz.kit.db.installation import claim_network
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.secret_keys import SecretKeys, load_keys
from blazz.kit.settings import Settings
from blazz.kit.signing import InternalKeys, internal_keys
from blazz.media.store import MediaStore
from blazz.realtime.valkey import ValkeyBridge

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Foundation:
    """Open parts; they are closed by the stack that `lay` was given."""

    settings: Settings
    database: Database
    secret_box: SecretBox
    internal_keys: InternalKeys
    media_store: MediaStore


async def lay(parts: contextlib.AsyncExitStack, settings: Settings, network_id: str) -> Foundation:
    """Open storage for all roles in one process: the schema is brought up to date, a secret key is made.

    Raises BlazzError with a sentence for the operator; what was opened is closed by `parts`.
    """
    private_directory(settings.data_dir)
    if settings.database_url is None:
        await asyncio.to_thread(claim_mode, settings.data_dir, "one-process")
    await migrate(settings)
    database = await open_database(parts, settings)
    await claim_network(database, settings.data_dir, network_id)
    keys = await asyncio.to_thread(keys_of, settings, create=True)
    return _foundation(parts, settings, database, keys)


async def lay_for_role(parts: contextlib.AsyncExitStack, settings: Settings, network_id: str) -> Foundation:
    """Open storage for one role among several processes: schema and key must be there.

    Raises BlazzError `database_url_needed`, `secret_key_needed`, `schema_not_current`, `network_mismatch`.
    """
    require_server(settings)
    keys = await asyncio.to_thread(keys_of, settings, create=False)
    private_directory(settings.data_dir)
    assert settings.database_url is not None
    await asyncio.to_thread(migrations.require_current, settings.database_url)
    database = await open_database(parts, settings)
    await claim_network(database, settings.data_dir, network_id)
    await database.write(Platform("a role compares its keys with the others'"), compare_keys, keys)
    return _foundation(parts, settings, database, keys)


def require_server(settings: Settings) -> None:
    """Refuse SQLite. Raises BlazzError `database_url_needed`."""
    if settings.database_url is None:
        raise BlazzError(
            "database_url_needed",
            "A single role needs a database that several processes share. Set BLAZZ_DATABASE_URL "
            "(postgresql://... or mysql://...), or run all roles together with: blazz up",
        )
    if settings.database_url.startswith("sqlite"):
        raise BlazzError(
            "database_url_needed",
            "SQLite belongs to one process. Set BLAZZ_DATABASE_URL to a PostgreSQL, MariaDB or MySQL server, "
            "or run all roles together with: blazz up",
        )


async def migrate(settings: Settings) -> None:
    """Bring the schema to this version."""
    await asyncio.to_thread(migrations.upgrade, settings.database_url or settings.database_path)


async def open_database(parts: contextlib.AsyncExitStack, settings: Settings) -> Database:
    """Open the database that the settings name."""
    database = await Database.from_settings(settings)
    parts.push_async_callback(database.close)
    return database


async def follow_hints(parts: contextlib.AsyncExitStack, url: str | None) -> None:
    """Carry wake-ups between this process and the others through Redis or Valkey at `url`."""
    if url is None:
        _log.warning("no BLAZZ_REDIS_URL: news of other processes is found by polling, sign-ins are throttled apart")
        return
    bridge = ValkeyBridge(url)
    parts.push_async_callback(bridge.stop)
    await bridge.start()


def keys_of(settings: Settings, *, create: bool) -> SecretKeys:
    """Return the installation's secret keys. Raises BlazzError `secret_key_needed` unless one may be made."""
    return load_keys(settings.data_dir, settings.secret_key, settings.secret_key_previous, create=create)


def _foundation(
    parts: contextlib.AsyncExitStack, settings: Settings, database: Database, keys: SecretKeys
) -> Foundation:
    store = MediaStore.from_settings(settings)
    parts.push_async_callback(asyncio.to_thread, store.close)
    internal = internal_keys(settings, keys.current, keys.previous)
    return Foundation(settings, database, keys.box(), internal, store)
