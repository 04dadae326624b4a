"""Rules of contacts: one person once in a workspace, whatever address they are known under."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.contacts import history, kept, repository
from blazz.contacts.resolve import Peer, resolve
from blazz.contacts.views import Contact, ContactSummary, Identifier, contact_views, identifiers, summaries
from blazz.kit.db import Tx
from blazz.kit.errors import conflict, not_found
from blazz.kit.ids import uuid7
from blazz.kit.phones import parse_phone, phone_forms
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces


def page(tx: Tx, search: str | None, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[Contact]:
    """Return contacts, newest first; `search` looks in names and identifiers."""
    patterns = _patterns(search) if search and search.strip() else None
    return contact_views(tx, repository.page(tx, tx.workspace_id, patterns, before, limit))


def get(tx: Tx, contact_id: uuid.UUID) -> Contact:
    """Return a contact of this workspace. Raises BlazzError `not_found`."""
    return contact_views(tx, [_find(tx, contact_id)])[0]


def create(tx: Tx, phone: str, name: str | None) -> Contact:
    """Add a person by number, as typed; without country code it is one of the workspace's country.

    Raises BlazzError `invalid_phone` (422), or `contact_exists` (409), whose detail names the one there is.
    """
    phone = parse_phone(phone, workspaces.default_country(tx, tx.workspace_id))
    known = repository.identifiers_by_value(tx, [tx.workspace_id], phone_forms(phone), ["phone"])
    if known:
        raise _exists("number", known[0]["contact_id"])
    contact_id, now = uuid7(), utc_now()
    own = {"workspace_id": tx.workspace_id, "created_at": now}
    repository.insert_contacts(tx, [{**own, "id": contact_id, "name": name, "push_name": None, "updated_at": now}])
    added = [{**own, "id": uuid7(), "contact_id": contact_id, "kind": "phone", "value": phone}]
    repository.insert_identifiers(tx, added)
    kept.take_over(tx, added)
    events.append(tx, "contact.created", {"contact_id": str(contact_id), "identifiers": {"phone": phone}})
    return get(tx, contact_id)


def change(
    tx: Tx, contact_id: uuid.UUID, wanted: Mapping[str, str | None], user_id: uuid.UUID | None = None
) -> Contact:
    """Set or clear what the team knows of a person: `name`, `username`, `business_id`; absent ones stay.

    Raises BlazzError `not_found`, or `contact_exists` (409) for an address that somebody else has.
    """
    row = _find(tx, contact_id)
    changed = []
    if "name" in wanted and row["name"] != wanted["name"]:
        repository.change(tx, tx.workspace_id, contact_id, {"name": wanted["name"], "updated_at": utc_now()})
        changed.append("name")
    have = identifiers(tx, [tx.workspace_id], [contact_id]).get(contact_id, {})
    for kind in ("username", "business_id"):
        if kind in wanted and have.get(kind) != wanted[kind]:
            _set_identifier(tx, contact_id, kind, have.get(kind), wanted[kind], user_id)
            changed.append(kind)
    if changed:
        _tell_updated(tx, contact_id, changed)
    return get(tx, contact_id)


def _set_identifier(
    tx: Tx, contact_id: uuid.UUID, kind: str, before: str | None, after: str | None, user_id: uuid.UUID | None
) -> None:
    if after is not None:
        taken = repository.identifiers_by_value(tx, [tx.workspace_id], [after], [kind])
        if taken:
            raise _exists(kind.replace("_", " "), taken[0]["contact_id"])
    if before is not None:
        changes = [repository.IdentifierChange(tx.workspace_id, kind, before, value=after)]
        repository.change_identifiers(tx, changes)
    elif after is not None:
        own = {"id": uuid7(), "workspace_id": tx.workspace_id, "contact_id": contact_id, "created_at": utc_now()}
        repository.insert_identifiers(tx, [{**own, "kind": kind, "value": after}])
    data = {"kind": kind, "before": before, "after": after}
    history.add(tx, [history.Entry(tx.workspace_id, contact_id, "identifier_set", "team", data, user_id)])


def history_page(
    tx: Tx, contact_id: uuid.UUID, before: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> list[history.Shown]:
    """Return what was learned about a person, newest first. Raises BlazzError `not_found`."""
    _find(tx, contact_id)
    return history.page(tx, tx.workspace_id, contact_id, before, limit)


def delete(tx: Tx, contact_id: uuid.UUID) -> None:
    """Remove a person with their identifiers and chats."""
    _find(tx, contact_id)
    repository.delete_contact(tx, tx.workspace_id, contact_id)
    events.append(tx, "contact.deleted", {"contact_id": str(contact_id)})


def ensure_by_phone(tx: Tx, phone: str) -> uuid.UUID:
    """Return the contact with this number (E.164) in any form, creating it when there is none."""
    for form in phone_forms(phone):
        holder = repository.holder(tx, tx.workspace_id, "phone", form)
        if holder is not None:
            return holder
    peer = Peer(tx.workspace_id, phone, None, reason="team")
    return resolve(tx, [peer]).contact_ids[peer]


def with_identifier(tx: Tx, kind: str, value: str) -> uuid.UUID | None:
    """Return the contact that is known under this identifier."""
    return repository.holder(tx, tx.workspace_id, kind, value)


def with_phones(tx: Tx, phones: Iterable[str]) -> dict[str, uuid.UUID]:
    """Return the contacts that have one of these numbers (E.164) in any form, by the number asked for."""
    forms = {form: phone for phone in phones for form in phone_forms(phone)}
    rows = repository.identifiers_by_value(tx, [tx.workspace_id], list(forms), ["phone"]) if forms else ()
    return {forms[row["value"]]: row["contact_id"] for row in rows}


def find_by_identifiers(tx: Tx, phone: str | None, lid: str | None) -> uuid.UUID | None:
    """Return the contact with this number (E.164 with plus) or LID (digits); the LID decides when they differ."""
    return find_many(tx, [(phone, lid)])[0]


def find_many(tx: Tx, people: Sequence[tuple[str | None, str | None]]) -> list[uuid.UUID | None]:
    """Return the contact of each person (number and LID as for `find_by_identifiers`), in one statement."""
    phones = {form for phone, _ in people if phone for form in phone_forms(phone)}
    lids = {lid for _, lid in people if lid}
    rows = repository.identifiers_by_value(tx, [tx.workspace_id], phones | lids) if phones or lids else ()
    holders = {(row["kind"], row["value"]): uuid.UUID(str(row["contact_id"])) for row in rows}
    found: list[uuid.UUID | None] = []
    for phone, lid in people:
        by_phone = (holders.get(("phone", form)) for form in (phone_forms(phone) if phone else ()))
        by_lid = holders.get(("lid", lid)) if lid else None
        found.append(by_lid or next((one for one in by_phone if one is not None), None))
    return found


def lids_of(tx: Tx, workspace_ids: Collection[uuid.UUID], contact_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the LID (digits) of the contacts for which it is known."""
    known = identifiers(tx, workspace_ids, contact_ids)
    return {contact_id: have["lid"] for contact_id, have in known.items() if "lid" in have}


def addresses_of(tx: Tx, workspace_id: uuid.UUID, contact_id: uuid.UUID) -> tuple[str | None, str | None]:
    """Return number (E.164) and LID (digits) of a contact, each None when unknown."""
    known = identifiers(tx, [workspace_id], [contact_id]).get(contact_id, {})
    return known.get("phone"), known.get("lid")


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


def _tell_updated(tx: Tx, contact_id: uuid.UUID, changed: list[str]) -> None:
    known = identifiers(tx, [tx.workspace_id], [contact_id]).get(contact_id, {})
    data = {"contact_id": str(contact_id), "changed": changed, "identifiers": known}
    events.append(tx, "contact.updated", data)


def _exists(what: str, contact_id: uuid.UUID) -> Exception:
    return conflict("contact_exists", f"There is a contact with this {what} already: {contact_id}")


def _find(tx: Tx, contact_id: uuid.UUID) -> RowMapping:
    row = repository.find(tx, tx.workspace_id, contact_id)
    if row is None:
        raise not_found("contact")
    return row


__all__ = [
    "Contact",
    "ContactSummary",
    "Identifier",
    "addresses_of",
    "change",
    "create",
    "delete",
    "ensure_by_phone",
    "find_by_identifiers",
    "find_many",
    "get",
    "history_page",
    "identifiers",
    "lids_of",
    "like_pattern",
    "matching_ids",
    "page",
    "summaries",
    "with_identifier",
    "with_phones",
]
