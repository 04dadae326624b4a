"""Contacts as the API and the chats show them: names, all addresses, picture, who has blocked them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from blazz.contacts import repository, repository_profiles
from blazz.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Identifier:
    """One address of a person: `kind` is phone, lid, username or business_id."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as the API shows them. `display_name` is never empty."""

    id: uuid.UUID
    display_name: str
    name: str | None
    book_name: str | None
    verified_name: str | None
    push_name: str | None
    phone: str | None
    lid: str | None
    username: str | None
    business_id: str | None
    identifiers: list[Identifier]
    about: str | None
    business: Mapping[str, Any] | None
    picture_id: uuid.UUID | None
    blocked_by: list[uuid.UUID]
    profile_checked_at: dt.datetime | None
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ContactSummary:
    """What a chat shows of a person. `display_name` is never empty."""

    id: uuid.UUID
    name: str | None
    push_name: str | None
    phone: str | None
    lid: str | None
    display_name: str
    username: str | None = None
    business_id: str | None = None
    verified_name: str | None = None
    picture_id: uuid.UUID | None = None


def display_name(row: Mapping[str, Any] | RowMapping, addresses: Mapping[str, str]) -> str:
    """Return the name to show: the team's, the address book's, the verified, the person's own; else an address."""
    for column in ("name", "book_name", "verified_name", "push_name"):
        if row[column]:
            return str(row[column])
    if "phone" in addresses:
        return addresses["phone"]
    if "username" in addresses:
        return f"@{addresses['username']}"
    return f"~{addresses['lid']}" if "lid" in addresses else "Unknown"


def summaries(tx: Tx, workspace_id: uuid.UUID, contact_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, ContactSummary]:
    """Return what chats show of these people, in three statements."""
    if not contact_ids:
        return {}
    known = identifiers(tx, [workspace_id], contact_ids)
    shown = repository_profiles.pictures(tx, [workspace_id], contact_ids)
    found: dict[uuid.UUID, ContactSummary] = {}
    for row in repository.find_many(tx, [workspace_id], contact_ids):
        addresses = known.get(row["id"], {})
        found[row["id"]] = ContactSummary(
            id=row["id"],
            name=row["name"],
            push_name=row["push_name"],
            phone=addresses.get("phone"),
            lid=addresses.get("lid"),
            display_name=display_name(row, addresses),
            username=addresses.get("username"),
            business_id=addresses.get("business_id"),
            verified_name=row["verified_name"],
            picture_id=shown.get(row["id"]),
        )
    return found


def identifiers(
    tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, dict[str, str]]:
    """Return all that is known of where these people can be reached, by contact and kind."""
    found: dict[uuid.UUID, dict[str, str]] = {}
    for row in repository.identifiers_of(tx, workspace_ids, contact_ids) if contact_ids else ():
        found.setdefault(row["contact_id"], {})[row["kind"]] = row["value"]
    return found


def contact_views(tx: Tx, rows: Sequence[RowMapping]) -> list[Contact]:
    """Return contacts of this workspace as the API shows them; three statements for any number of them."""
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    known: dict[uuid.UUID, list[Identifier]] = {}
    for row in repository.identifiers_of(tx, [tx.workspace_id], ids):
        known.setdefault(row["contact_id"], []).append(Identifier(row["kind"], row["value"]))
    pictures = repository_profiles.pictures(tx, [tx.workspace_id], ids)
    blocks = repository_profiles.blocks(tx, [tx.workspace_id], ids)
    return [_view(row, known.get(row["id"], []), pictures.get(row["id"]), blocks.get(row["id"], [])) for row in rows]


def _view(
    row: RowMapping, found: list[Identifier], picture_id: uuid.UUID | None, blocked_by: list[uuid.UUID]
) -> Contact:
    ordered = sorted(found, key=lambda item: (item.kind != "phone", item.kind, item.value))
    addresses = {item.kind: item.value for item in found}
    return Contact(
        id=row["id"],
        display_name=display_name(row, addresses),
        name=row["name"],
        book_name=row["book_name"],
        verified_name=row["verified_name"],
        push_name=row["push_name"],
        phone=addresses.get("phone"),
        lid=addresses.get("lid"),
        username=addresses.get("username"),
        business_id=addresses.get("business_id"),
        identifiers=ordered,
        about=row["about"],
        business=row["business"],
        picture_id=picture_id,
        blocked_by=blocked_by,
        profile_checked_at=row["profile_checked_at"],
        created_at=row["created_at"],
    )
