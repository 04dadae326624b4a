"""SQL of what phones know of people, be they contacts here or not."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, select, update

from blazz.contacts.tables import contact_blocks, contacts, phone_people
from blazz.kit.db import Tx, insert_or_ignore, upsert

_KEY = ["workspace_id", "account_id", "address"]
_PAGE = 10_000  # WhatsApp's block lists are far shorter
_AT = select(phone_people).where(
    phone_people.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    phone_people.c.address.in_(bindparam("addresses", expanding=True)),
)
_NAME = (
    update(contacts)
    .where(contacts.c.workspace_id == bindparam("w"), contacts.c.id == bindparam("i"), contacts.c.book_name.is_(None))
    .values(book_name=bindparam("told"))
)


def put(tx: Tx, column: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `column` of people, inserting those that are not there. One order for everyone."""
    if rows:
        ordered = sorted((dict(row) for row in rows), key=lambda row: (str(row["account_id"]), row["address"]))
        tx.execute(upsert(tx.dialect, phone_people, _KEY, [column]), ordered)


def forget_empty(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, addresses: Collection[str]) -> None:
    """Remove those of these people of whom nothing is known any more."""
    own = (phone_people.c.workspace_id == workspace_id, phone_people.c.account_id == account_id)
    empty = (phone_people.c.book_name.is_(None), phone_people.c.blocked_at.is_(None))
    tx.execute(delete(phone_people).where(*own, phone_people.c.address.in_(list(addresses)), *empty))


def at(tx: Tx, workspace_ids: Collection[uuid.UUID], addresses: Collection[str]) -> Sequence[RowMapping]:
    """Return what phones know of the people at these addresses."""
    return tx.execute(_AT, {"workspaces": list(workspace_ids), "addresses": list(addresses)}).mappings().all()


def blocked(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> Sequence[RowMapping]:
    """Return whom a number has blocked who is no contact, by address."""
    own = (phone_people.c.workspace_id == workspace_id, phone_people.c.account_id == account_id)
    statement = select(phone_people).where(*own, phone_people.c.blocked_at.is_not(None))
    return tx.all(statement.order_by(phone_people.c.address).limit(_PAGE))


def name_contacts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give contacts that have none a name of the address book: `w`, `i`, `told`."""
    if rows:
        tx.execute(_NAME, sorted((dict(row) for row in rows), key=lambda row: row["i"]))


def block_contacts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert blocks of contacts; those that are there stay."""
    if rows:
        key = ["workspace_id", "account_id", "contact_id"]
        tx.execute(insert_or_ignore(tx.dialect, contact_blocks, key), [dict(row) for row in rows])
