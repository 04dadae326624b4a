"""SQL of the outbox."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, select, update

from blazz.kit.db import Tx
from blazz.messaging.tables import outbox

_ROWS = (
    select(outbox)
    .where(
        outbox.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        outbox.c.account_id.in_(bindparam("accounts", expanding=True)),
        outbox.c.chat_id.not_in(bindparam("busy", expanding=True)),
    )
    .order_by(outbox.c.account_id, outbox.c.position)
    .limit(bindparam("count"))
    # a row that housekeeping lets expire at this moment is not sent, and the other way round
    .with_for_update(key_share=True)
)
_MARK = (
    update(outbox)
    .where(
        outbox.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        outbox.c.id.in_(bindparam("ids", expanding=True)),
    )
    .values(state="sending", attempts=outbox.c.attempts + 1)
)
_REQUEUE = (
    update(outbox)
    .where(outbox.c.workspace_id == bindparam("w"), outbox.c.id == bindparam("i"))
    .values(state=bindparam("new_state"), attempts=bindparam("tries"), due_at=bindparam("due"))
)
_BY_ID = (
    select(
        outbox.c.id,
        outbox.c.workspace_id,
        outbox.c.account_id,
        outbox.c.chat_id,
        outbox.c.message_id,
        outbox.c.state,
        outbox.c.expires_at,
    )
    .where(
        outbox.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        outbox.c.id.in_(bindparam("ids", expanding=True)),
    )
    .order_by(outbox.c.account_id, outbox.c.position)
    .with_for_update(key_share=True)
)
_DELETE = delete(outbox).where(
    outbox.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    outbox.c.id.in_(bindparam("ids", expanding=True)),
)


def outbox_rows(
    tx: Tx,
    workspaces: Collection[uuid.UUID],
    account_ids: Collection[uuid.UUID],
    busy_chats: Collection[uuid.UUID],
    limit: int,
) -> Sequence[RowMapping]:
    """Return waiting messages of accounts in the order of each chat, without chats that are being sent."""
    parameters = {
        "workspaces": list(workspaces),
        "accounts": list(account_ids),
        "busy": list(busy_chats),
        "count": limit,
    }
    return tx.execute(_ROWS, parameters).mappings().all()


def mark_sending(tx: Tx, rows: Sequence[RowMapping]) -> None:
    """Note that an attempt begins."""
    parameters = {"workspaces": list({row["workspace_id"] for row in rows}), "ids": [row["id"] for row in rows]}
    tx.execute(_MARK, parameters)


def outbox_by_id(tx: Tx, workspaces: Collection[uuid.UUID], ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return outbox rows by id, and keep others from changing them until this unit is committed."""
    return tx.execute(_BY_ID, {"workspaces": list(workspaces), "ids": list(ids)}).mappings().all()


def requeue(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put rows back: `w`, `i`, `new_state`, `tries`, `due`."""
    if rows:
        tx.execute(_REQUEUE, [dict(row) for row in rows])


def delete_outbox(tx: Tx, rows: Sequence[RowMapping]) -> None:
    """Remove finished rows."""
    if rows:
        tx.execute(
            _DELETE, {"workspaces": list({row["workspace_id"] for row in rows}), "ids": [row["id"] for row in rows]}
        )


def set_payload(tx: Tx, workspace_id: uuid.UUID, outbox_id: uuid.UUID, payload: bytes) -> None:
    """Keep the exact bytes to send."""
    tx.execute(
        update(outbox).where(outbox.c.workspace_id == workspace_id, outbox.c.id == outbox_id).values(payload=payload)
    )


def accounts_with_due(tx: Tx, now: dt.datetime) -> list[uuid.UUID]:
    """Return accounts with due rows; for units of platform scope."""
    return list(tx.execute(select(outbox.c.account_id).where(outbox.c.due_at <= now).distinct()).scalars())


def overdue(tx: Tx, now: dt.datetime, limit: int) -> Sequence[RowMapping]:
    """Return ids and workspaces of queued rows past their expiry; for units of platform scope."""
    return tx.all(
        select(outbox.c.workspace_id, outbox.c.id)
        .where(outbox.c.state == "queued", outbox.c.expires_at <= now)
        .order_by(outbox.c.expires_at)
        .limit(limit)
    )
