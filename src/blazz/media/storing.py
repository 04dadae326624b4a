"""Putting a file into the store once per workspace and content."""

from __future__ import annotations

import uuid
from pathlib import Path

from blazz.kit.db import Database, Workspaces
from blazz.kit.time import utc_now
from blazz.media import repository
from blazz.media.inspection import Inspected
from blazz.media.store import MediaStore, original_key, thumbnail_key


async def store_content(
    database: Database, store: MediaStore, workspace_id: uuid.UUID, file: Path, sha256: str, inspected: Inspected
) -> str:
    """Put a file and its thumbnail into the store unless the workspace has that content; returns the key."""
    known = await database.read(Workspaces.of([workspace_id]), repository.with_content, workspace_id, sha256)
    for row in known:
        same_type = row["path"] is not None and row["path"].endswith("." + inspected.extension)
        if same_type and await store.size(row["path"]) is not None:
            return str(row["path"])
    key = original_key(workspace_id, sha256, inspected.extension, utc_now())
    if inspected.picture is not None:
        await store.put(thumbnail_key(key), inspected.picture.thumbnail)
    await store.put(key, file)
    return key
