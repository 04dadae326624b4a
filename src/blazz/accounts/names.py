"""Names of numbers, for lists of the platform that know only ids."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from blazz.accounts import repository
from blazz.kit.db import Tx


def names_of(tx: Tx, pairs: Iterable[tuple[uuid.UUID, uuid.UUID]]) -> dict[uuid.UUID, str]:
    """Return the names of numbers given by (workspace, account), those of deleted ones too (platform scope)."""
    known = list(pairs)
    if not known:
        return {}
    rows = repository.find_many(tx, list({pair[0] for pair in known}), list({pair[1] for pair in known}))
    return {row["id"]: row["name"] for row in rows}
