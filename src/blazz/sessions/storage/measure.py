"""Size and soundness of one store on disk, read without locks and without disturbing the engine host that uses it."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_JOURNALS = ("-wal", "-journal")
_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Measured:
    """`size_bytes` counts store and journals. `sound`: None when it could not be told, because the store was in use."""

    size_bytes: int
    sound: bool | None
    detail: str = ""


def measure(store: Path) -> Measured | None:
    """Return what is known about a store, None when there is none. Raises OSError when the storage fails.

    A store that the engine host has open keeps changing, and the latest of it is in its journal, which only SQLite can
    read. The engine host closes a store that is idle for some seconds; then there is no journal, the file is whole, and
    it is checked as a file that nobody changes. If somebody did change it meanwhile, the result is thrown away.
    """
    try:
        before = store.stat()
    except FileNotFoundError:
        return None
    size = before.st_size + sum(_size(store.with_name(store.name + suffix)) for suffix in _JOURNALS)
    if before.st_size == 0 or _in_use(store):
        return Measured(size, None)
    sound, detail = _check(store)
    after = store.stat()
    same = (before.st_mtime_ns, before.st_size, before.st_ino) == (after.st_mtime_ns, after.st_size, after.st_ino)
    if not same or _in_use(store):
        return Measured(size, None)
    return Measured(size, sound, detail)


def _in_use(store: Path) -> bool:
    return any(_size(store.with_name(store.name + suffix)) for suffix in _JOURNALS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check(store: Path) -> tuple[bool, str]:
    descriptor = os.open(store, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.read(descriptor, len(_MAGIC)) != _MAGIC:
            return False, "this is no SQLite file"
    finally:
        os.close(descriptor)
    # immutable: no lock is asked for and no file is made beside it
    connection = sqlite3.connect(f"file:{quote(str(store))}?mode=ro&immutable=1", uri=True)
    try:
        said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return False, str(error)
    finally:
        connection.close()
    return said == "ok", "" if said == "ok" else said
