"""SQL of contacts and their identifiers."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, func, insert, or_, select, update

from blazz.contacts.tables import contact_identifiers, contacts
from blazz.kit.db import Tx

_IDENTIFIERS = select(
    contact_identifiers.c.workspace_id,
    contact_identifiers.c.contact_id,
    contact_identifiers.c.kind,
    contact_identifiers.c.value,
)
_BY_VALUE = _IDENTIFIERS.where(
    contact_identifiers.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    contact_identifiers.c.kind.in_(bindparam("kinds", expanding=True)),
    contact_identifiers.c.value.in_(bindparam("values", expanding=True)),
)
_HOLDER = select(contact_identifiers.c.contact_id).where(
    contact_identifiers.c.workspace_id == bindparam("workspace"),
    contact_identifiers.c.kind == bindparam("of_kind"),
    contact_identifiers.c.value == bindparam("with_value"),
)
_OF_CONTACTS = _IDENTIFIERS.where(
    contact_identifiers.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    contact_identifiers.c.contact_id.in_(bindparam("contacts", expanding=True)),
).order_by(contact_identifiers.c.created_at)
_wanted = contact_identifiers.alias("wanted")
_OF_HOLDERS = (
    _IDENTIFIERS.select_from(
        _wanted.join(
            contact_identifiers,
            (_wanted.c.workspace_id == contact_identifiers.c.workspace_id)
            & (_wanted.c.contact_id == contact_identifiers.c.contact_id),
        )
    )
    .where(
        _wanted.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
        contact_identifiers.c.workspace_id.in_(bindparam("same", expanding=True)),
        _wanted.c.kind.in_(bindparam("kinds", expanding=True)),
        _wanted.c.value.in_(bindparam("values", expanding=True)),
    )
    .order_by(contact_identifiers.c.created_at)
)
_NAMES = select(
    contacts.c.workspace_id,
    contacts.c.id,
    contacts.c.name,
    contacts.c.push_name,
    contacts.c.book_name,
    contacts.c.verified_name,
).where(
    contacts.c.workspace_id.in_(bindparam("workspaces", expanding=True)),
    contacts.c.id.in_(bindparam("contacts", expanding=True)),
)


def identifiers_by_value(
    tx: Tx, workspace_ids: Collection[uuid.UUID], values: Collection[str], kinds: Sequence[str] = ("phone", "lid")
) -> Sequence[RowMapping]:
    """Return identifiers of these kinds with one of `values`."""
    parameters = {"workspaces": list(workspace_ids), "kinds": list(kinds), "values": list(values)}
    return tx.execute(_BY_VALUE, parameters).mappings().all()


def holder(tx: Tx, workspace_id: uuid.UUID, kind: str, value: str) -> uuid.UUID | None:
    """Return the contact that has exactly this identifier."""
    parameters = {"workspace": workspace_id, "of_kind": kind, "with_value": value}
    found: uuid.UUID | None = tx.execute(_HOLDER, parameters).scalar()
    return found


def all_of_holders(tx: Tx, workspace_ids: Collection[uuid.UUID], values: Collection[str]) -> Sequence[RowMapping]:
    """Return every identifier of the contacts that have a number or LID among `values`, the newest last."""
    places = list(workspace_ids)
    parameters = {"workspaces": places, "same": places, "kinds": ["phone", "lid"], "values": list(values)}
    return tx.execute(_OF_HOLDERS, parameters).mappings().all()


def identifiers_of(
    tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]
) -> Sequence[RowMapping]:
    """Return all identifiers of the given contacts."""
    parameters = {"workspaces": list(workspace_ids), "contacts": list(contact_ids)}
    return tx.execute(_OF_CONTACTS, parameters).mappings().all()


def insert_contacts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert contacts."""
    tx.execute(insert(contacts), [dict(row) for row in rows])


def insert_identifiers(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert identifiers. In one order for everyone, so that two who learn the same wait and do not deadlock."""
    ordered = sorted(rows, key=lambda row: (row["workspace_id"], row["kind"], row["value"]))
    tx.execute(insert(contact_identifiers), [dict(row) for row in ordered])


def hold(
    tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID], *, whole: bool = False
) -> None:
    """Keep others from learning about these contacts until this unit is committed.

    With `whole`, also from adding chats to them: they are going to be removed.
    """
    statement = (
        select(contacts.c.id)
        .where(contacts.c.workspace_id.in_(list(workspace_ids)), contacts.c.id.in_(list(contact_ids)))
        .order_by(contacts.c.id)
    )
    tx.execute(statement.with_for_update(key_share=not whole)).all()


def move_identifiers(tx: Tx, workspace_id: uuid.UUID, loser: uuid.UUID, winner: uuid.UUID) -> None:
    """Give the identifiers of one contact to another."""
    tx.execute(
        update(contact_identifiers)
        .where(contact_identifiers.c.workspace_id == workspace_id, contact_identifiers.c.contact_id == loser)
        .values(contact_id=winner)
    )


@dataclass(frozen=True, slots=True)
class IdentifierChange:
    """What becomes of an identifier: another `value`, another contact, or, without either, its removal."""

    workspace_id: uuid.UUID
    kind: str
    old: str
    value: str | None = None
    contact_id: uuid.UUID | None = None


def change_identifiers(tx: Tx, changes: Sequence[IdentifierChange]) -> None:
    """Apply changes in the order given. They are rare: a statement each."""
    table = contact_identifiers
    for change in changes:
        this = (
            table.c.workspace_id == change.workspace_id,
            table.c.kind == change.kind,
            table.c.value == change.old,
        )
        if change.value is not None:
            tx.execute(update(table).where(*this).values(value=change.value))
        elif change.contact_id is not None:
            tx.execute(update(table).where(*this).values(contact_id=change.contact_id))
        else:
            tx.execute(delete(table).where(*this))


def keep_names(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID, names: RowMapping) -> None:
    """Give a contact the names that it lacks and `names` has."""
    columns = ("name", "push_name", "book_name", "verified_name")
    tx.execute(
        update(contacts)
        .where(contacts.c.workspace_id == workspace_id, contacts.c.id == contact_id)
        .values({column: func.coalesce(contacts.c[column], names[column]) for column in columns})
    )


def delete_contact(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> None:
    """Delete a contact with its identifiers and chats."""
    tx.execute(delete(contacts).where(contacts.c.workspace_id == workspace_id, contacts.c.id == contact_id))


def find(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> RowMapping | None:
    """Return a contact."""
    return tx.one(select(contacts).where(contacts.c.workspace_id == workspace_id, contacts.c.id == contact_id))


def find_many(tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return the names of contacts, by id."""
    parameters = {"workspaces": list(workspace_ids), "contacts": list(contact_ids)}
    return tx.execute(_NAMES, parameters).mappings().all()


def change(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Update one contact."""
    tx.execute(
        update(contacts).where(contacts.c.workspace_id == workspace_id, contacts.c.id == contact_id).values(**values)
    )


_SET_PUSH_NAME = (
    update(contacts)
    .where(contacts.c.workspace_id == bindparam("workspace"), contacts.c.id == bindparam("contact"))
    .values(push_name=bindparam("pushed"), updated_at=bindparam("now"))
)


def set_push_names(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set push names: rows of `workspace`, `contact`, `pushed`, `now`."""
    tx.execute(_SET_PUSH_NAME, [dict(row) for row in rows])


def matching(workspace_id: uuid.UUID, patterns: Sequence[str]) -> Any:
    """Return a select of the ids of contacts whose name or number is like one of `patterns` (escaped by backslash).

    Several, because SQLite folds the case of ASCII letters only: the caller gives the spellings that shall be found.
    """
    by_identifier = select(contact_identifiers.c.contact_id).where(
        contact_identifiers.c.workspace_id == workspace_id,
        contact_identifiers.c.value.like(patterns[0], escape="\\"),
    )
    columns = (contacts.c.name, contacts.c.book_name, contacts.c.verified_name, contacts.c.push_name)
    names = [func.lower(column) for column in columns]
    return select(contacts.c.id).where(
        contacts.c.workspace_id == workspace_id,
        or_(
            *(name.like(pattern, escape="\\") for name in names for pattern in patterns),
            contacts.c.id.in_(by_identifier),
        ),
    )


def page(
    tx: Tx,
    workspace_id: uuid.UUID,
    patterns: Sequence[str] | None,
    before: tuple[dt.datetime, uuid.UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return contacts, newest first."""
    statement = select(contacts).where(contacts.c.workspace_id == workspace_id)
    if patterns:
        statement = statement.where(contacts.c.id.in_(matching(workspace_id, patterns)))
    if before is not None:
        created, contact_id = before
        statement = statement.where(
            or_(contacts.c.created_at < created, and_(contacts.c.created_at == created, contacts.c.id < contact_id))
        )
    return tx.all(statement.order_by(contacts.c.created_at.desc(), contacts.c.id.desc()).limit(limit))
