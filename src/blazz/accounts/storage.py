"""Where the store of an account's session is, how large, and when it was last found sound."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blazz.accounts import repository
from blazz.kit.db import Tx


@dataclass(frozen=True, slots=True)
class StorageNote:
    """One measurement. `path` is relative to the sessions directory; `verified_at` None keeps the last time."""

    workspace_id: uuid.UUID
    account_id: uuid.UUID
    path: str
    size_bytes: int
    verified_at: dt.datetime | None


def note_storage(tx: Tx, notes: Sequence[StorageNote]) -> None:
    """Store measurements; no events. The scope of `tx` has to hold all their workspaces."""
    for note in sorted(notes, key=lambda note: note.account_id):
        changes: dict[str, Any] = {"session_storage_path": note.path, "session_file_size_bytes": note.size_bytes}
        if note.verified_at is not None:
            changes["session_storage_verified_at"] = note.verified_at
        repository.change(tx, note.workspace_id, note.account_id, changes)
