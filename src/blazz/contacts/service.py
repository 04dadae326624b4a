"""Rules of contacts: one person once in a workspace, whatever address they are known under."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.contacts import repository
from blazz.contacts.resolve import Peer, resolve
from blazz.kit.db import Tx
from blazz.kit.errors import conflict, not_found
from blazz.kit.ids import uuid7
from blazz.kit.phones import parse_phone
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces


@dataclass(frozen=True, slots=True)
class Identifier:
    """One address of a person: `kind` is phone, lid, username or business_id."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as the API shows them."""

    id: uuid.UUID
    name: str | None
    push_name: str | None
    phone: str | None
    identifiers: list[Identifier]
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


def page(tx: Tx, search: str | None, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[Contact]:
    """Return contacts, newest first; `search` looks in names and identifiers."""
    patterns = _patterns(search) if search and search.strip() else None
    return _with_identifiers(tx, list(repository.page(tx, tx.workspace_id, patterns, before, limit)))


def get(tx: Tx, contact_id: uuid.UUID) -> Contact:
    """Return a contact of this workspace. Raises BlazzError `not_found`."""
    return _with_identifiers(tx, [_find(tx, contact_id)])[0]


def create(tx: Tx, phone: str, name: str | None) -> Contact:
    """Add a person by number, as typed; without country code it is one of the workspace's country.

    Raises BlazzError `invalid_phone` (422), or `contact_exists` (409), whose detail names the one there is.
    """
    phone = parse_phone(phone, workspaces.default_country(tx, tx.workspace_id))
    known = repository.identifiers_by_value(tx, [tx.workspace_id], [phone])
    if known:
        raise conflict("contact_exists", f"There is a contact with this number already: {known[0]['contact_id']}")
    contact_id, now = uuid7(), utc_now()
    own = {"workspace_id": tx.workspace_id, "created_at": now}
    repository.insert_contacts(tx, [{**own, "id": contact_id, "name": name, "push_name": None, "updated_at": now}])
    repository.insert_identifiers(
        tx, [{**own, "id": uuid7(), "contact_id": contact_id, "kind": "phone", "value": phone}]
    )
    events.append(tx, "contact.created", {"contact_id": str(contact_id)})
    return get(tx, contact_id)


def rename(tx: Tx, contact_id: uuid.UUID, name: str | None) -> Contact:
    """Set or clear the name that the team gives a person."""
    row = _find(tx, contact_id)
    if row["name"] != name:
        repository.change(tx, tx.workspace_id, contact_id, {"name": name, "updated_at": utc_now()})
        events.append(tx, "contact.updated", {"contact_id": str(contact_id), "changed": ["name"]})
    return get(tx, contact_id)


def delete(tx: Tx, contact_id: uuid.UUID) -> None:
    """Remove a person with their identifiers and chats."""
    _find(tx, contact_id)
    repository.delete_contact(tx, tx.workspace_id, contact_id)
    events.append(tx, "contact.deleted", {"contact_id": str(contact_id)})


def ensure_by_phone(tx: Tx, phone: str) -> uuid.UUID:
    """Return the contact with this number (E.164), creating it when there is none."""
    known = repository.id_by_phone(tx, tx.workspace_id, phone)
    if known is not None:
        return known
    peer = Peer(tx.workspace_id, phone, None)
    return resolve(tx, [peer]).contact_ids[peer]


def find_by_identifiers(tx: Tx, phone: str | None, lid: str | None) -> uuid.UUID | None:
    """Return the contact with this number (E.164 with plus) or LID (digits); the LID decides when they differ."""
    wanted = {("lid", lid), ("phone", phone)}
    rows = repository.identifiers_by_value(tx, [tx.workspace_id], [value for value in (phone, lid) if value])
    found = {row["kind"]: row["contact_id"] for row in rows if (row["kind"], row["value"]) in wanted}
    return found.get("lid") or found.get("phone")


def lids_of(tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the LID (digits) of the contacts for which it is known."""
    rows = repository.identifiers_of(tx, workspace_ids, contact_ids) if contact_ids else ()
    return {row["contact_id"]: row["value"] for row in rows if row["kind"] == "lid"}


def addresses_of(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> tuple[str | None, str | None]:
    """Return number (E.164) and LID (digits) of a contact, each None when unknown."""
    rows = repository.identifiers_of(tx, [workspace_id], [contact_id])
    known = {row["kind"]: row["value"] for row in rows}
    return known.get("phone"), known.get("lid")


def summaries(tx: Tx, workspace_id: uuid.UUID, contact_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, ContactSummary]:
    """Return what chats show of these people, in two statements."""
    if not contact_ids:
        return {}
    known = _identifiers(tx, workspace_id, contact_ids)
    found: dict[uuid.UUID, ContactSummary] = {}
    for row in repository.find_many(tx, [workspace_id], contact_ids):
        addresses = {item.kind: item.value for item in known.get(row["id"], ())}
        phone, lid = addresses.get("phone"), addresses.get("lid")
        shown = row["name"] or row["push_name"] or phone or (f"~{lid}" if lid else "Unknown")
        found[row["id"]] = ContactSummary(row["id"], row["name"], row["push_name"], phone, lid, shown)
    return found


def matching_ids(workspace_id: uuid.UUID, text: str) -> Any:
    """Return a SELECT of the ids of contacts that `text` finds, for `IN` in another room's statement."""
    return repository.matching(workspace_id, _patterns(text))


def like_pattern(text: str) -> str:
    """Return a LIKE pattern (escape character backslash) for text anywhere, whatever its case."""
    return _like(text.lower())


def _patterns(text: str) -> list[str]:
    # a database that lowers ASCII letters only leaves É as it is: look for it as typed and as names begin, too
    typed = text.strip()
    lower = typed.lower()
    spellings = [lower, "".join(letter.lower() if letter.isascii() else letter for letter in typed)]
    if not lower[:1].isascii():
        spellings.append(lower[:1].upper() + lower[1:])
    return [_like(spelling) for spelling in dict.fromkeys(spellings)]


def _like(text: str) -> str:
    escaped = text.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _find(tx: Tx, contact_id: uuid.UUID) -> RowMapping:
    row = repository.find(tx, tx.workspace_id, contact_id)
    if row is None:
        raise not_found("contact")
    return row


def _identifiers(
    tx: Tx, workspace_id: uuid.UUID, contact_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Identifier]]:
    found: dict[uuid.UUID, list[Identifier]] = {}
    for row in repository.identifiers_of(tx, [workspace_id], contact_ids):
        found.setdefault(row["contact_id"], []).append(Identifier(row["kind"], row["value"]))
    return found


def _with_identifiers(tx: Tx, rows: list[RowMapping]) -> list[Contact]:
    if not rows:
        return []
    known = _identifiers(tx, tx.workspace_id, [row["id"] for row in rows])
    contacts = []
    for row in rows:
        identifiers = sorted(known.get(row["id"], ()), key=lambda item: (item.kind != "phone", item.kind, item.value))
        phone = next((item.value for item in identifiers if item.kind == "phone"), None)
        contacts.append(Contact(row["id"], row["name"], row["push_name"], phone, identifiers, row["created_at"]))
    return contacts
