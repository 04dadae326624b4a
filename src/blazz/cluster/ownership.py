"""The fence: a write for a session commits only while the writer still owns it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from blazz.cluster import repository
from blazz.kit.db import Tx, Workspace, Workspaces


def check(tx: Tx, pairs: Iterable[tuple[uuid.UUID, int]], *, alone: bool = False) -> set[uuid.UUID]:
    """Return the accounts whose epoch is no longer the given one.

    `pairs` are (account, epoch under which we own it). The rows stay locked until this unit commits, so nobody can
    take a session over between the check and the write. With `alone` no other unit of these sessions is under way
    meanwhile: those that were have committed. A defect (TypeError) in a platform-wide unit.
    """
    claimed: dict[uuid.UUID, set[int]] = {}
    for account_id, epoch in pairs:
        claimed.setdefault(account_id, set()).add(epoch)
    if not claimed:
        return set()
    if isinstance(tx.scope, Workspace):
        workspace_ids = [tx.scope.id]
    elif isinstance(tx.scope, Workspaces):
        workspace_ids = list(tx.scope.ids)
    else:
        raise TypeError("ownership is checked in units that are bound to workspaces")
    present = repository.locked_epochs(tx, workspace_ids, claimed, alone=alone)
    return {account_id for account_id, epochs in claimed.items() if epochs != {present.get(account_id)}}
