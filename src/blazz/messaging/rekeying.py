"""One address for one person: what stands under a number's address stands under the LID once both are known.

Rooms that lie above this one and keep addresses of people follow; they say so when they are loaded.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from blazz.kit.db import Tx
from blazz.messaging import changes, repository
from blazz.messaging.repository import rekeying as sql

Follower = Callable[[Tx, uuid.UUID, str, str], None]
"""Workspace, the number's address, the LID's address: let what is kept under the first stand under the second."""

_followers: list[Follower] = []


def followed_by(follower: Follower) -> None:
    """Call `follower` in every unit that re-keys, from now on."""
    if follower not in _followers:
        _followers.append(follower)


def rekey(tx: Tx, workspace_id: uuid.UUID, old: str, new: str) -> list[tuple[uuid.UUID, int]]:
    """Re-key everything of one person in this unit, in all chats; doubles are dropped.

    Returns the chats that lost double messages, with their number.
    """
    changed = repository.targets_of_author(tx, workspace_id, old)
    lost = repository.rekey_author(tx, workspace_id, old, new)
    changes.rename_author(tx, workspace_id, changed, old, new)
    sql.rekey_receipts(tx, workspace_id, old, new)
    for follower in _followers:
        follower(tx, workspace_id, old, new)
    return lost
