"""SQL of workspaces, memberships and invitations."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, func, insert, or_, select, update

from blazz.kit.db import Tx
from blazz.workspaces.tables import invitations, memberships, workspaces

_COLUMNS = (
    workspaces.c.id,
    workspaces.c.number,
    workspaces.c.name,
    workspaces.c.timezone,
    workspaces.c.default_country,
    workspaces.c.settings,
    workspaces.c.created_at,
)
_WORKSPACE = select(*_COLUMNS).where(workspaces.c.id == bindparam("workspace"), workspaces.c.deleted_at.is_(None))
_MEMBERSHIPS_OF = (
    select(memberships.c.workspace_id, memberships.c.role)
    .join(workspaces, workspaces.c.id == memberships.c.workspace_id)
    .where(
        memberships.c.user_id == bindparam("user"), memberships.c.state == "active", workspaces.c.deleted_at.is_(None)
    )
    .order_by(workspaces.c.number)
)
_MEMBER = (memberships.c.user_id, memberships.c.role, memberships.c.state, memberships.c.created_at)
_INVITATION = (
    invitations.c.id,
    invitations.c.workspace_id,
    invitations.c.email,
    invitations.c.role,
    invitations.c.created_at,
    invitations.c.expires_at,
)


def get_workspace(tx: Tx, workspace_id: uuid.UUID) -> RowMapping | None:
    """Return a living workspace."""
    return tx.execute(_WORKSPACE, {"workspace": workspace_id}).mappings().first()


def hold_workspace(tx: Tx, workspace_id: uuid.UUID) -> RowMapping | None:
    """Return a living workspace, kept from others until this unit is committed."""
    own = (workspaces.c.id == workspace_id, workspaces.c.deleted_at.is_(None))
    return tx.one(select(*_COLUMNS).where(*own).with_for_update(key_share=True))


def settings_of(tx: Tx, ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return id and settings of workspaces."""
    return tx.all(select(workspaces.c.id, workspaces.c.settings).where(workspaces.c.id.in_(list(ids))))


def get_workspaces(tx: Tx, ids: Sequence[uuid.UUID]) -> Sequence[RowMapping]:
    """Return living workspaces by number."""
    if not ids:
        return []
    return tx.all(
        select(*_COLUMNS)
        .where(workspaces.c.id.in_(list(ids)), workspaces.c.deleted_at.is_(None))
        .order_by(workspaces.c.number)
    )


def placing_of(tx: Tx, ids: Sequence[uuid.UUID]) -> Sequence[RowMapping]:
    """Return id, number, name and priority of workspaces, removed ones too (platform scope)."""
    statement = select(workspaces.c.id, workspaces.c.number, workspaces.c.name, workspaces.c.priority)
    return tx.all(statement.where(workspaces.c.id.in_(list(ids))))


def find_by_number(tx: Tx, number: int) -> RowMapping | None:
    """Return a living workspace by its number (platform scope)."""
    return tx.one(select(*_COLUMNS).where(workspaces.c.number == number, workspaces.c.deleted_at.is_(None)))


def highest_number(tx: Tx) -> int:
    """Return the highest workspace number given so far, or 0."""
    return int(tx.scalar(select(func.max(workspaces.c.number))) or 0)


def insert_workspace(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a new workspace."""
    tx.execute(insert(workspaces), dict(row))


def update_workspace(tx: Tx, workspace_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a workspace."""
    tx.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(dict(values)))


def memberships_of(tx: Tx, user_id: uuid.UUID) -> Sequence[RowMapping]:
    """Return active memberships of a person, in order of workspace number."""
    return tx.execute(_MEMBERSHIPS_OF, {"user": user_id}).mappings().all()


def get_member(tx: Tx, workspace_id: uuid.UUID, user_id: uuid.UUID) -> RowMapping | None:
    """Return one membership."""
    return tx.one(select(*_MEMBER).where(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id))


def members_page(
    tx: Tx, workspace_id: uuid.UUID, after: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Return members, first come first."""
    statement = select(*_MEMBER).where(memberships.c.workspace_id == workspace_id)
    if after is not None:
        at, user_id = after
        statement = statement.where(
            or_(memberships.c.created_at > at, and_(memberships.c.created_at == at, memberships.c.user_id > user_id))
        )
    return tx.all(statement.order_by(memberships.c.created_at, memberships.c.user_id).limit(limit))


def count_other_owners(tx: Tx, workspace_id: uuid.UUID, user_id: uuid.UUID) -> int:
    """Return how many active owners there are besides a person; they stay owners until this unit is committed."""
    statement = (
        select(memberships.c.user_id)
        .where(
            memberships.c.workspace_id == workspace_id, memberships.c.role == "owner", memberships.c.state == "active"
        )
        .order_by(memberships.c.user_id)
        .with_for_update()  # two owners who remove each other wait for each other
    )
    return sum(owner != user_id for owner in tx.execute(statement).scalars())


def insert_member(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a new membership."""
    tx.execute(insert(memberships), dict(row))


def update_member(tx: Tx, workspace_id: uuid.UUID, user_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Change a membership."""
    tx.execute(
        update(memberships)
        .where(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id)
        .values(dict(values))
    )


def delete_member(tx: Tx, workspace_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """End a membership."""
    tx.execute(delete(memberships).where(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id))


def insert_invitation(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a new invitation."""
    tx.execute(insert(invitations), dict(row))


def get_invitation(tx: Tx, workspace_id: uuid.UUID, invitation_id: uuid.UUID) -> RowMapping | None:
    """Return one invitation."""
    return tx.one(
        select(*_INVITATION).where(invitations.c.workspace_id == workspace_id, invitations.c.id == invitation_id)
    )


def open_invitation_by_token(tx: Tx, digest: str, now: dt.datetime) -> RowMapping | None:
    """Return the open invitation with this token, in whichever workspace (platform scope)."""
    return tx.one(select(*_INVITATION).where(invitations.c.token_digest == digest, *_open(now)))


def open_invitations_page(
    tx: Tx, workspace_id: uuid.UUID, before: tuple[dt.datetime, uuid.UUID] | None, now: dt.datetime, limit: int
) -> Sequence[RowMapping]:
    """Return open invitations, newest first."""
    statement = select(*_INVITATION).where(invitations.c.workspace_id == workspace_id, *_open(now))
    if before is not None:
        at, invitation_id = before
        statement = statement.where(
            or_(
                invitations.c.created_at < at,
                and_(invitations.c.created_at == at, invitations.c.id < invitation_id),
            )
        )
    return tx.all(statement.order_by(invitations.c.created_at.desc(), invitations.c.id.desc()).limit(limit))


def count_open_invitations(tx: Tx, workspace_id: uuid.UUID, now: dt.datetime) -> int:
    """Return how many invitations of a workspace are open."""
    return int(tx.scalar(select(func.count()).where(invitations.c.workspace_id == workspace_id, *_open(now))))


def revoke_invitations(tx: Tx, workspace_id: uuid.UUID, *, email: str) -> None:
    """Take back all open invitations of an address."""
    tx.execute(
        update(invitations)
        .where(
            invitations.c.workspace_id == workspace_id,
            invitations.c.email == email,
            invitations.c.accepted_at.is_(None),
        )
        .values(revoked=True)
    )


def revoke_invitation(tx: Tx, workspace_id: uuid.UUID, invitation_id: uuid.UUID) -> bool:
    """Take back one invitation; False when the workspace has no such open one."""
    statement = (
        update(invitations)
        .where(
            invitations.c.workspace_id == workspace_id,
            invitations.c.id == invitation_id,
            invitations.c.accepted_at.is_(None),
            invitations.c.revoked.is_(False),
        )
        .values(revoked=True)
    )
    return bool(tx.execute(statement).rowcount)


def accept_invitation(tx: Tx, workspace_id: uuid.UUID, invitation_id: uuid.UUID, now: dt.datetime) -> bool:
    """Mark an invitation as accepted; False when somebody was first."""
    statement = (
        update(invitations)
        .where(
            invitations.c.workspace_id == workspace_id,
            invitations.c.id == invitation_id,
            invitations.c.accepted_at.is_(None),
            invitations.c.revoked.is_(False),
        )
        .values(accepted_at=now)
    )
    return bool(tx.execute(statement).rowcount)


def _open(now: dt.datetime) -> tuple[Any, ...]:
    return (
        invitations.c.accepted_at.is_(None),
        invitations.c.revoked.is_(False),
        invitations.c.expires_at > now,
    )
