"""Units of work behind the endpoints: which groups there are, whom a change is about, what was changed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from blazz.accounts import service as accounts
from blazz.contacts import service as contacts
from blazz.contacts.by_address import people_at
from blazz.groups import repository, storing
from blazz.groups.facts import GroupFacts, Person
from blazz.groups.schemas import GroupDetails, GroupView
from blazz.groups.views import group_details, group_view
from blazz.kit.db import Tx
from blazz.kit.errors import FieldError, conflict, invalid, not_found
from blazz.kit.http import Page
from blazz.kit.http.cursors import decode_cursor, encode_cursor
from blazz.messaging.addresses import lid_of, phone_of
from blazz.messaging.identities import phone_address
from blazz.messaging.recipients import as_uuid, contact_of


@dataclass(frozen=True, slots=True)
class Target:
    """A group and the number through which it is changed."""

    group_id: uuid.UUID
    account_id: uuid.UUID
    address: str


def list_groups(
    tx: Tx, *, account_id: uuid.UUID | None, search: str | None, cursor: str | None, limit: int
) -> Page[GroupView]:
    """Return a page of groups by subject."""
    after = decode_cursor(cursor, str, uuid.UUID) if cursor else None
    pattern = contacts.like_pattern(search) if search and search.strip() else None
    rows = repository.page(tx, tx.workspace_id, account_id=account_id, pattern=pattern, after=after, limit=limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    following = encode_cursor(rows[-1]["subject"], rows[-1]["id"]) if more else None
    return Page[GroupView].model_construct(data=[group_view(row) for row in rows], next_cursor=following)


def get_group(tx: Tx, group_id: uuid.UUID) -> GroupDetails:
    """Return a group with its members. Raises BlazzError `not_found`."""
    row = repository.find(tx, tx.workspace_id, group_id)
    if row is None:
        raise not_found("group")
    return group_details(tx, row)


def target(tx: Tx, group_id: uuid.UUID, *, admin: bool = False) -> Target:
    """Return a group that we are in. Raises BlazzError `not_found`, `not_a_group_member`, `not_a_group_admin` (409)."""
    row = repository.find(tx, tx.workspace_id, group_id)
    if row is None:
        raise not_found("group")
    if row["state"] != "member":
        raise conflict("not_a_group_member", "This number is not a member of the group.")
    if admin and row["role"] == "member":
        raise conflict("not_a_group_admin", "Only admins of the group may do this.")
    account = accounts.for_sending(tx, row["account_id"])
    return Target(row["id"], account["id"], row["address"])


def account_for(tx: Tx, account_id: uuid.UUID | None) -> uuid.UUID:
    """Return the number to make or join a group with. Raises BlazzError `account_not_linked`, `not_found`."""
    return uuid.UUID(str(accounts.for_sending(tx, account_id)["id"]))


def addresses_of(tx: Tx, people: Sequence[str], field: str = "participants") -> list[str]:
    """Return the WhatsApp addresses of people, given as numbers, ids of contacts or addresses; each once.

    Raises BlazzError `invalid_phone`, `invalid_address`, `not_found` and `contact_not_reachable`.
    """
    found: dict[str, None] = {}
    for at, who in enumerate(people):
        if "@" in who and not who.startswith("@"):
            if lid_of(who) is None and phone_of(who) is None:
                text = "Not the WhatsApp address of a person; expected ...@s.whatsapp.net or ...@lid."
                raise invalid(text, code="invalid_address", errors=[FieldError(f"{field}.{at}", text)])
            found[who] = None
            continue
        contact_id = as_uuid(who) or contact_of(tx, who, f"{field}.{at}")
        contacts.get(tx, contact_id)
        phone, lid = contacts.addresses_of(tx, tx.workspace_id, contact_id)
        if phone is None and lid is None:
            text = "This contact has neither a phone number nor a WhatsApp address."
            raise conflict("contact_not_reachable", text)
        found[f"{(phone or '').removeprefix('+')}@s.whatsapp.net" if phone else f"{lid}@lid"] = None
    return list(found)


def missing(details: GroupDetails, asked: Sequence[str]) -> list[str]:
    """Return those of the addresses `asked` for that no member of the group has."""
    members = {member.address for member in details.members}
    members |= {phone_address(member.phone) for member in details.members if member.phone}
    return [address for address in asked if address not in members]


def store(tx: Tx, account_id: uuid.UUID, facts: GroupFacts, *, entered: bool) -> uuid.UUID:
    """Store a group as WhatsApp tells of it now and return its id; `entered`: we have just come into it ourselves."""
    us = Person.of(*accounts.own_addresses(tx, tx.workspace_id, account_id))
    return storing.store_group(tx, tx.workspace_id, account_id, facts, actor=us, entered=entered)


def leave(tx: Tx, group_id: uuid.UUID) -> None:
    """Note that we have left."""
    row = repository.find(tx, tx.workspace_id, group_id, for_update=True)
    if row is not None and row["state"] == "member":
        storing.mark_left(tx, row)


__all__ = [
    "Target",
    "account_for",
    "addresses_of",
    "get_group",
    "leave",
    "list_groups",
    "missing",
    "people_at",
    "store",
    "target",
]
