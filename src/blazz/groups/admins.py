"""What messaging asks of groups: who may delete other members' messages."""

from __future__ import annotations

import uuid

from blazz.groups import repository
from blazz.kit.db import Tx
from blazz.messaging import admins

_ADMINS = frozenset({"admin", "superadmin"})


def is_admin(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, address: str | None) -> bool:
    """Tell whether a member (by address), or our own number (None), administers a group."""
    if address is None:
        group = repository.find(tx, workspace_id, group_id)
        return group is not None and group["role"] in _ADMINS
    return repository.role_of(tx, workspace_id, group_id, address) in _ADMINS


admins.answered_by(is_admin)
