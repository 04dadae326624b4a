"""SQL that gives a person's receipts another address."""

from __future__ import annotations

import uuid

from sqlalchemy import delete, select, update

from blazz.kit.db import Tx
from blazz.messaging.tables import message_receipts


def rekey_receipts(tx: Tx, workspace_id: uuid.UUID, old: str, new: str) -> None:
    """Let steps of receipts stand under `new`; of a step that stands under both, the earlier moment is kept."""
    columns = message_receipts.c
    own = columns.workspace_id == workspace_id
    steps = select(columns.id, columns.message_id, columns.state, columns.at).where(own)
    rows = tx.all(steps.where(columns.recipient == old))
    if not rows:
        return
    twins = {
        (row["message_id"], row["state"]): row
        for row in tx.all(
            steps.where(columns.message_id.in_({row["message_id"] for row in rows}), columns.recipient == new)
        )
    }
    doubles = []
    for row in rows:
        twin = twins.get((row["message_id"], row["state"]))
        if twin is not None:
            doubles.append(row["id"] if twin["at"] <= row["at"] else twin["id"])
    if doubles:
        tx.execute(delete(message_receipts).where(own, columns.id.in_(doubles)))
    tx.execute(update(message_receipts).where(own, columns.recipient == old).values(recipient=new))
