"""Session stores: where they are, and how one is set aside when its pairing must not come back."""

from __future__ import annotations

import os
import re
import time
import uuid
from functools import partial
from pathlib import Path

from blazz.kit.db import Database, Platform
from blazz.kit.files import sync_directory
from blazz.kit.settings import Settings
from blazz.sessions.registry import Session
from blazz.sessions.storage.patient import PatientThread
from blazz.sessions.storage.repository import set_rows_aside

_STORE = re.compile(r"^store\.(\d+)\.db$")
_JOURNALS = ("-wal", "-journal")


def store_path(sessions_dir: Path, workspace_id: uuid.UUID, account_id: uuid.UUID, epoch: int) -> Path:
    """Return where the store of a session and epoch is: `workspace_{id}/session_{id}/store.{epoch}.db`.

    The storage is not asked: it may hang, and this runs on the event loop.
    """
    base = Path(os.path.abspath(sessions_dir))  # noqa: PTH100 - the engine host refuses `..`, and resolve() asks
    return base / f"workspace_{workspace_id}" / f"session_{account_id}" / f"store.{epoch}.db"


async def set_aside_in_time(store: Path, *, timeout_s: float = 10.0) -> None:
    """Do `set_aside` on storage that may hang. Raises BlazzError `storage_hangs` (503), and OSError when it fails."""
    await PatientThread("set-aside").run(partial(set_aside, store), timeout_s=timeout_s)


async def put_aside(database: Database, settings: Settings, session: Session) -> None:
    """Have a session that is stopped start without its pairing; what there was is kept for a week.

    Raises BlazzError when the database refuses or the storage hangs, OSError when it fails.
    """
    if settings.session_store == "database":
        scope = Platform("the store of a removed device is set aside")
        await database.write(scope, set_rows_aside, session.account_id, session.epoch)
    else:
        await set_aside_in_time(session.store)


def set_aside(store: Path) -> None:
    """Rename the newest store beside `store` to `removed.{unix}.db` and remove the older ones.

    The engine host deletes what was set aside after a week. Nothing may have the store open. Blocks on the disk.
    """
    directory = store.parent
    found: dict[int, Path] = {}
    if directory.is_dir():
        for path in directory.iterdir():
            match = _STORE.match(path.name)
            if match is not None:
                found[int(match.group(1))] = path
    if not found:
        return
    newest = found.pop(max(found))
    stamp = int(time.time())
    while (target := directory / f"removed.{stamp}.db").exists():
        stamp += 1
    # the journal first: a store without its journal is old, a journal without its store is nothing
    for suffix in _JOURNALS:
        journal = newest.with_name(newest.name + suffix)
        if journal.exists():
            journal.rename(target.with_name(target.name + suffix))
    newest.rename(target)
    for older in found.values():
        for path in (older, *(older.with_name(older.name + suffix) for suffix in _JOURNALS)):
            path.unlink(missing_ok=True)
    sync_directory(directory)
