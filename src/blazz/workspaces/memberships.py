"""Who belongs to which workspace, as sign-in needs it."""

from __future__ import annotations

import uuid

from blazz.identity.caller import Role
from blazz.kit.db import Tx
from blazz.workspaces import repository


def roles_of(tx: Tx, user_id: uuid.UUID) -> dict[uuid.UUID, Role]:
    """Return the person's role in each living workspace where the membership is active."""
    return {row["workspace_id"]: row["role"] for row in repository.memberships_of(tx, user_id)}


def workspace_is_live(tx: Tx, workspace_id: uuid.UUID) -> bool:
    """Tell whether the workspace exists and is not deleted."""
    return repository.get_workspace(tx, workspace_id) is not None
