"""Session stores in PostgreSQL (`BLAZZ_SESSION_STORE=database`), for installations without a shared directory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blazz.accounts.storage import StorageNote, note_storage
from blazz.accounts.verify import known_accounts
from blazz.kit.db import Database, Platform, Tx, Workspaces
from blazz.kit.db.urls import libpq_url
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.sessions.registry import Session
from blazz.sessions.storage import repository
from blazz.sessions.storage.chore import GROUP, PAUSE_S, StorageChore
from blazz.sessions.storage.policy import Level
from blazz.sessions.storage.tables import SCHEMA

_SCOPE = Platform("session stores in the database")
_URL_VARIABLE = "BLAZZ_SESSION_DATABASE_URL"  # an argument could be read by every user of the machine


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """What an engine host has to know. `directory` is nothing that it uses."""

    directory: str
    address: str
    connections: int

    def engine_arguments(self) -> tuple[str, ...]:
        """Return the engine host's flags."""
        return ("--session-store", "database", "--store-connections", str(self.connections))

    def engine_environment(self) -> dict[str, str]:
        """Return the address, which holds a password."""
        return {_URL_VARIABLE: self.address}

    def as_dict(self) -> dict[str, Any]:
        """Return what pages show; the address is not for them."""
        return {"kind": "database", "level": "ok", "connections": self.connections}


class DatabaseStorage:
    """Takes the place of the watch over a directory: the database is watched already."""

    level: Level = "ok"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def start(self) -> DatabaseReport:
        """Return how to reach it. Raises BlazzError `session_store_unsupported`."""
        directory = str(self._settings.engine_media_dir.resolve())
        return DatabaseReport(directory, database_address(self._settings), self._settings.session_store_connections)

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> str | None:
        """Return None: a database that is away is its own failed check."""
        return None


class DatabaseStorageChore(StorageChore):
    """Tells accounts how large their rows are and when they were last opened, which proves them whole."""

    async def measure_all(self) -> int:
        """Measure all sessions once; returns how many were stored. Raises BlazzError."""
        sessions, stored = list(self._registry), 0
        for start in range(0, len(sessions), GROUP):
            if start:
                await asyncio.sleep(PAUSE_S)
            group = sessions[start : start + GROUP]
            found = await self._database.read(_SCOPE, _measured, group)
            if found:
                scope = Workspaces.of(note.workspace_id for note in found)
                await self._database.write(scope, note_storage, found)
            stored += len(found)
        return stored


def database_address(settings: Settings) -> str:
    """Return the address for the engine host. Raises BlazzError `session_store_unsupported`."""
    way_out = "Set BLAZZ_DATABASE_URL to a PostgreSQL server, or BLAZZ_SESSION_STORE=files."
    if settings.database_url is None:
        raise BlazzError("session_store_unsupported", f"Session stores in a database need PostgreSQL. {way_out}", 500)
    try:
        return libpq_url(settings.database_url)
    except BlazzError as error:
        if error.code != "database_not_postgresql":
            raise
        detail = f"Only PostgreSQL can hold session stores. {way_out}"
        raise BlazzError("session_store_unsupported", detail, 500) from None


async def require_kind(database: Database, settings: Settings) -> None:
    """Refuse to look for session stores where they are not: numbers would have to be linked again.

    Raises BlazzError `session_store_changed`, `session_store_unsupported`.
    """
    if settings.session_store == "database":
        database_address(settings)
    held = await database.read(_SCOPE, _kind_in_use)
    if held not in (None, settings.session_store):
        raise BlazzError(
            "session_store_changed",
            f"The pairings of this installation are kept in {_PLACES[held]}. Set BLAZZ_SESSION_STORE={held}; "
            "there is no way to carry them over but to log the numbers out and link them again.",
            500,
        )


_PLACES = {"files": "files in its sessions directory", "database": "its database"}


def _kind_in_use(tx: Tx) -> str | None:
    if repository.in_use(tx):
        return "database"
    linked = any(known.linked and not known.deleted for known in known_accounts(tx).values())
    return "files" if linked else None


def _measured(tx: Tx, sessions: list[Session]) -> list[StorageNote]:
    sizes = repository.sizes(tx, [session.account_id for session in sessions]) if repository.exists(tx) else {}
    return [
        StorageNote(
            session.workspace_id,
            session.account_id,
            str(Path(SCHEMA) / f"s{sizes[session.account_id].store}"),
            sizes[session.account_id].size_bytes,
            sizes[session.account_id].opened_at,
        )
        for session in sessions
        if session.account_id in sizes
    ]
