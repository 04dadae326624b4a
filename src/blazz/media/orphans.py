"""Files that nothing uses any more: uploaded and never sent, or left over from what was deleted."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection

from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.time import utc_now
from blazz.media import repository_jobs
from blazz.media.store import MediaStore, thumbnail_key

_PAGE = 500  # files looked at in one unit


async def remove_orphans(database: Database, store: MediaStore, days: int) -> int:
    """Remove files older than `days` that no row refers to; returns how many.

    What another file of equal content still uses stays. The rows go first, so that a cut leaves objects without rows,
    never rows without objects.
    """
    scope = Platform("housekeeping of files that nothing uses")
    before, after_id, count = utc_now() - dt.timedelta(days=days), None, 0
    while rows := await database.read(scope, repository_jobs.old_media, before, after_id, _PAGE):
        after_id = rows[-1]["id"]
        by_workspace: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
        for row in rows:
            by_workspace[row["workspace_id"]].append(row["id"])
        for workspace_id, media_ids in by_workspace.items():
            gone, paths = await database.write(Workspace(workspace_id), _remove_rows, media_ids)
            count += gone
            for path in paths:
                await store.delete(path)
                if path.startswith("original/"):
                    await store.delete(thumbnail_key(path))
    return count


def _remove_rows(tx: Tx, media_ids: Collection[uuid.UUID]) -> tuple[int, set[str]]:
    unused = set(media_ids) - repository_jobs.referred_to(tx, tx.workspace_id, media_ids)
    if not unused:
        return 0, set()
    paths = repository_jobs.paths_of(tx, tx.workspace_id, unused)
    repository_jobs.delete_media(tx, tx.workspace_id, unused)
    return len(unused), paths - repository_jobs.used_paths(tx, tx.workspace_id, paths) if paths else set()
