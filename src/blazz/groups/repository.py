"""SQL of groups and members."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, func, insert, or_, select, update

from blazz.groups.tables import group_members, groups
from blazz.kit.db import Tx

_MEMBER = (group_members.c.group_id, group_members.c.address, group_members.c.phone, group_members.c.lid)


def find(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, *, for_update: bool = False) -> RowMapping | None:
    """Return a group; `for_update` keeps others from changing it until this unit is committed."""
    statement = select(groups).where(groups.c.workspace_id == workspace_id, groups.c.id == group_id)
    return tx.one(statement.with_for_update(key_share=True) if for_update else statement)


def find_many(tx: Tx, workspace_id: uuid.UUID, group_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return groups by id, kept from others until this unit is committed."""
    own = (groups.c.workspace_id == workspace_id, groups.c.id.in_(list(group_ids)))
    return tx.all(select(groups).where(*own).order_by(groups.c.id).with_for_update(key_share=True))


def by_address(
    tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, addresses: Collection[str]
) -> dict[str, RowMapping]:
    """Return an account's groups by address, kept from others until this unit is committed."""
    rows = tx.all(
        select(groups)
        .where(
            groups.c.workspace_id == workspace_id,
            groups.c.account_id == account_id,
            groups.c.address.in_(list(addresses)),
        )
        .order_by(groups.c.id)
        .with_for_update(key_share=True)
    )
    return {row["address"]: row for row in rows}


def joined_addresses(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> list[str]:
    """Return the groups that an account is in, as far as we know."""
    statement = select(groups.c.address).where(
        groups.c.workspace_id == workspace_id, groups.c.account_id == account_id, groups.c.state == "member"
    )
    return list(tx.execute(statement).scalars())


def page(
    tx: Tx,
    workspace_id: uuid.UUID,
    *,
    account_id: uuid.UUID | None,
    pattern: str | None,
    after: tuple[str, uuid.UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return groups by subject; `pattern` (lower case, escaped by backslash) is looked for in subjects."""
    statement = select(groups).where(groups.c.workspace_id == workspace_id)
    if account_id is not None:
        statement = statement.where(groups.c.account_id == account_id)
    if pattern is not None:
        statement = statement.where(func.lower(groups.c.subject).like(pattern, escape="\\"))
    if after is not None:
        subject, group_id = after
        behind = and_(groups.c.subject == subject, groups.c.id > group_id)
        statement = statement.where(or_(groups.c.subject > subject, behind))
    return tx.all(statement.order_by(groups.c.subject, groups.c.id).limit(limit))


def insert_group(tx: Tx, row: Mapping[str, Any]) -> None:
    """Insert a group."""
    tx.execute(insert(groups), dict(row))


def change(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Update one group."""
    tx.execute(update(groups).where(groups.c.workspace_id == workspace_id, groups.c.id == group_id).values(**values))


def members(tx: Tx, workspace_id: uuid.UUID, group_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return the members of groups, admins not apart, in the order of their addresses."""
    statement = (
        select(*_MEMBER, group_members.c.role)
        .where(group_members.c.workspace_id == workspace_id, group_members.c.group_id.in_(list(group_ids)))
        .order_by(group_members.c.group_id, group_members.c.address)
    )
    return tx.all(statement)


def role_of(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, address: str) -> str | None:
    """Return what a member (by canonical address) is in a group; None for somebody who is none."""
    role: str | None = tx.scalar(
        select(group_members.c.role).where(
            group_members.c.workspace_id == workspace_id,
            group_members.c.group_id == group_id,
            group_members.c.address == address,
        )
    )
    return role


def insert_members(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert members."""
    if rows:
        tx.execute(insert(group_members), [dict(row) for row in rows])


def remove_members(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, addresses: Collection[str]) -> None:
    """Delete members by address."""
    if addresses:
        tx.execute(
            delete(group_members).where(
                group_members.c.workspace_id == workspace_id,
                group_members.c.group_id == group_id,
                group_members.c.address.in_(list(addresses)),
            )
        )


def members_at(tx: Tx, workspace_id: uuid.UUID, addresses: Collection[str]) -> Sequence[RowMapping]:
    """Return where and as what people are members, by address."""
    own = (group_members.c.workspace_id == workspace_id, group_members.c.address.in_(list(addresses)))
    return tx.all(select(*_MEMBER, group_members.c.role).where(*own))


def addresses_among(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, addresses: Collection[str]) -> Sequence[str]:
    """Return those of `addresses` under which somebody is a member of a group."""
    own = (group_members.c.workspace_id == workspace_id, group_members.c.group_id == group_id)
    statement = select(group_members.c.address).where(*own, group_members.c.address.in_(list(addresses)))
    return tx.execute(statement).scalars().all()


def rename_member(tx: Tx, workspace_id: uuid.UUID, old: str, new: str, *, phone: str | None, lid: str | None) -> None:
    """Give a member another address in all groups, where they must not stand under both."""
    tx.execute(
        update(group_members)
        .where(group_members.c.workspace_id == workspace_id, group_members.c.address.in_([old, new]))
        .values(address=new, phone=phone, lid=lid)
    )


def rename_owner(tx: Tx, workspace_id: uuid.UUID, old: str, new: str) -> None:
    """Give the owner of groups another address."""
    tx.execute(update(groups).where(groups.c.workspace_id == workspace_id, groups.c.owner == old).values(owner=new))


_SET_MEMBER = (
    update(group_members)
    .where(
        group_members.c.workspace_id == bindparam("w"),
        group_members.c.group_id == bindparam("g"),
        group_members.c.address == bindparam("a"),
    )
    .values(role=bindparam("new_role"), phone=func.coalesce(bindparam("new_phone"), group_members.c.phone))
)


def set_members(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write roles and numbers: rows of `w`, `g`, `a` (address), `new_role`, `new_phone` (None: as it is)."""
    if rows:
        tx.execute(_SET_MEMBER, [dict(row) for row in rows])
