"""SQL of accounts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, func, insert, or_, select, update

from blazz.accounts.states import CLAIMS, WAITING
from blazz.accounts.tables import accounts
from blazz.kit.db import Tx

_ONE = select(accounts).where(
    accounts.c.workspace_id == bindparam("workspace"), accounts.c.id == bindparam("id"), accounts.c.deleted_at.is_(None)
)
_ONE_HELD = _ONE.with_for_update(key_share=True)

_SET_HEALTH = (
    update(accounts)
    .where(accounts.c.id == bindparam("account"))
    .values(health_score=bindparam("score"), last_activity_at=bindparam("active"))
)
_PRIMARY = select(accounts).where(
    accounts.c.workspace_id == bindparam("workspace"), accounts.c.is_primary, accounts.c.deleted_at.is_(None)
)


def insert_account(tx: Tx, row: Mapping[str, Any]) -> None:
    """Insert one account."""
    tx.execute(insert(accounts), dict(row))


def find(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, *, for_update: bool = False) -> RowMapping | None:
    """Return an account that is not deleted; `for_update` keeps it as it is until this unit is committed."""
    statement = _ONE_HELD if for_update else _ONE
    return tx.execute(statement, {"workspace": workspace_id, "id": account_id}).mappings().first()


def hold_all(tx: Tx, workspace_id: uuid.UUID) -> None:
    """Keep others from changing any account of the workspace until this unit is committed."""
    statement = select(accounts.c.id).where(accounts.c.workspace_id == workspace_id).order_by(accounts.c.id)
    tx.execute(statement.with_for_update(key_share=True)).all()


def find_many(tx: Tx, workspace_ids: Sequence[uuid.UUID], account_ids: Sequence[uuid.UUID]) -> Sequence[RowMapping]:
    """Return accounts by id, deleted ones too."""
    return tx.all(select(accounts).where(accounts.c.workspace_id.in_(workspace_ids), accounts.c.id.in_(account_ids)))


def page(
    tx: Tx, workspace_id: uuid.UUID, after: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Return accounts in the order of their creation."""
    statement = select(accounts).where(accounts.c.workspace_id == workspace_id, accounts.c.deleted_at.is_(None))
    if after is not None:
        created, account_id = after
        statement = statement.where(
            or_(accounts.c.created_at > created, and_(accounts.c.created_at == created, accounts.c.id > account_id))
        )
    return tx.all(statement.order_by(accounts.c.created_at, accounts.c.id).limit(limit))


def change(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Update one account."""
    tx.execute(
        update(accounts).where(accounts.c.workspace_id == workspace_id, accounts.c.id == account_id).values(**values)
    )


def count_restore(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Add one to the number of times that an account's session was restored."""
    tx.execute(
        update(accounts)
        .where(accounts.c.workspace_id == workspace_id, accounts.c.id == account_id)
        .values(session_restore_count=accounts.c.session_restore_count + 1)
    )


def page_of_all(tx: Tx, after: uuid.UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return accounts of all workspaces that are not deleted, by id (platform scope)."""
    statement = select(accounts).where(accounts.c.deleted_at.is_(None))
    if after is not None:
        statement = statement.where(accounts.c.id > after)
    return tx.all(statement.order_by(accounts.c.id).limit(limit))


def set_health(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `score` and `active` of accounts `id` (platform scope)."""
    if rows:
        tx.execute(_SET_HEALTH, [dict(row) for row in rows])


def set_phone_seen(tx: Tx, workspace_ids: Collection[uuid.UUID], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `at` as the last sign of the phones of accounts `account`, and take warnings back."""
    if rows:
        statement = (
            update(accounts)
            .where(accounts.c.workspace_id.in_(workspace_ids), accounts.c.id == bindparam("account"))
            .values(phone_seen_at=bindparam("at"), phone_warned_at=None)
        )
        tx.execute(statement, [dict(row) for row in rows])


def phones_quiet_since(tx: Tx, account_ids: Collection[uuid.UUID], before: dt.datetime) -> set[uuid.UUID]:
    """Return those of these linked accounts whose phones have given no sign since `before` (platform scope)."""
    statement = select(accounts.c.id).where(
        accounts.c.id.in_(account_ids),
        accounts.c.deleted_at.is_(None),
        accounts.c.linked_at < before,
        or_(accounts.c.phone_seen_at.is_(None), accounts.c.phone_seen_at < before),
    )
    return {uuid.UUID(str(row["id"])) for row in tx.all(statement)}


def idle(
    tx: Tx, failed: dt.datetime, disconnected: dt.datetime, silent: dt.datetime, *, limit: int
) -> Sequence[RowMapping]:
    """Return accounts in a state since before these times that were not cleaned up since, the oldest first."""
    long_idle = or_(
        and_(accounts.c.status == "failed", accounts.c.status_since < failed),
        and_(
            accounts.c.status == "disconnected",
            accounts.c.status_since < disconnected,
            # these wait for WhatsApp, and go on by themselves
            or_(accounts.c.disconnect_reason.is_(None), accounts.c.disconnect_reason.not_in(WAITING)),
        ),
        and_(accounts.c.status.in_(CLAIMS), accounts.c.status_expires_at < silent),
    )
    known = and_(accounts.c.last_cleanup_at.is_not(None), accounts.c.last_cleanup_at >= accounts.c.status_since)
    statement = select(accounts).where(accounts.c.deleted_at.is_(None), long_idle, ~known)
    return tx.all(statement.order_by(accounts.c.status_since, accounts.c.id).limit(limit))


def count(tx: Tx, workspace_id: uuid.UUID) -> int:
    """Count the accounts that are not deleted."""
    return int(
        tx.scalar(
            select(func.count())
            .select_from(accounts)
            .where(accounts.c.workspace_id == workspace_id, accounts.c.deleted_at.is_(None))
        )
    )


def primary(tx: Tx, workspace_id: uuid.UUID) -> RowMapping | None:
    """Return the primary account."""
    return tx.execute(_PRIMARY, {"workspace": workspace_id}).mappings().first()


def clear_primary(tx: Tx, workspace_id: uuid.UUID) -> None:
    """Take the mark of the primary account away."""
    tx.execute(
        update(accounts).where(accounts.c.workspace_id == workspace_id, accounts.c.is_primary).values(is_primary=False)
    )


def others_with_phone(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, phone: str) -> Sequence[RowMapping]:
    """Return other accounts of the workspace that hold this number."""
    return tx.all(
        select(accounts)
        .where(
            accounts.c.workspace_id == workspace_id,
            accounts.c.phone == phone,
            accounts.c.id != account_id,
            accounts.c.deleted_at.is_(None),
        )
        .order_by(accounts.c.id)
        .with_for_update(key_share=True)
    )


def renew_claims(
    tx: Tx, workspace_ids: Sequence[uuid.UUID], account_ids: Sequence[uuid.UUID], until: dt.datetime
) -> None:
    """Extend the claims of running sessions."""
    tx.execute(
        update(accounts)
        .where(
            accounts.c.workspace_id.in_(workspace_ids), accounts.c.id.in_(account_ids), accounts.c.status.in_(CLAIMS)
        )
        .values(status_expires_at=until)
    )
