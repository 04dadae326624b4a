"""What every role stands on: the database of one network, the secret key, the media files, hints between processes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

import structlog

from blazz import migrations
from blazz.cli.fleet.mode import claim_mode
from blazz.cluster import moves
from blazz.kit.crypto import SecretBox, load_or_create_key
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.db.installation import claim_network
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.kit.signing import InternalKeys, internal_keys
from blazz.media.store import MediaStore
from blazz.realtime.valkey import ValkeyBridge

_log = structlog.get_logger(__name__)
KEY_FILE = "secret.key"
_KEY_FACT = "secret_key"


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
    key = await asyncio.to_thread(load_or_create_key, settings.data_dir / KEY_FILE, settings.secret_key)
    return _foundation(parts, settings, database, key)


async def lay_for_role(parts: contextlib.AsyncExitStack, settings: Settings, network_id: str) -> Foundation:
    """Open storage for one role among several processes: schema and key must be there.

    Raises BlazzError `database_url_needed`, `secret_key_needed`, `schema_not_current`, `network_mismatch`.
    """
    require_server(settings)
    key = await asyncio.to_thread(_existing_key, settings)
    private_directory(settings.data_dir)
    assert settings.database_url is not None
    await asyncio.to_thread(migrations.require_current, settings.database_url)
    database = await open_database(parts, settings)
    await claim_network(database, settings.data_dir, network_id)
    await database.write(Platform("a role compares its key with the others'"), _compare_key, key)
    return _foundation(parts, settings, database, key)


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


def _foundation(parts: contextlib.AsyncExitStack, settings: Settings, database: Database, key: bytes) -> Foundation:
    store = MediaStore.from_settings(settings)
    parts.push_async_callback(asyncio.to_thread, store.close)
    return Foundation(settings, database, SecretBox(key), internal_keys(settings, key), store)


def _compare_key(tx: Tx, key: bytes) -> None:
    """Refuse a key other than that of the first role that ever started; only a digest of it is stored."""
    digest = hmac.new(key, b"blazz: which key this database was made with", hashlib.sha256).hexdigest()[:32]
    known = moves.fact(tx, _KEY_FACT)
    if known is None:
        moves.set_fact(tx, _KEY_FACT, {"digest": digest})
    elif known.data.get("digest") != digest:
        raise BlazzError(
            "secret_key_differs",
            "This secret key is not the one that the other roles on this database use. Set the same BLAZZ_SECRET_KEY "
            f"everywhere. If it is lost for good, what it encrypted is lost too: remove the row {_KEY_FACT!r} of "
            "the table cluster_facts, then start again.",
            500,
        )


def _existing_key(settings: Settings) -> bytes:
    path: Path = settings.data_dir / KEY_FILE
    if not settings.secret_key and not path.exists():
        raise BlazzError(
            "secret_key_needed",
            "All roles need the same secret key. Set BLAZZ_SECRET_KEY (32 bytes in base64; make one with: "
            f"openssl rand -base64 32), or put the key file of the installation at {path}.",
        )
    return load_or_create_key(path, settings.secret_key)
