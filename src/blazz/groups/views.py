"""From rows to what the API gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz.accounts import service as accounts
from blazz.contacts.by_address import people_at
from blazz.contacts.views import ContactSummary
from blazz.groups import repository
from blazz.groups.schemas import GroupDetails, GroupMember, GroupView
from blazz.kit.db import Tx
from blazz.messaging.schemas import ChatContact

Row = Mapping[str, Any] | RowMapping
_COLUMNS = tuple(name for name in GroupView.model_fields)
_RANK = {"superadmin": 0, "admin": 1, "member": 2}


def group_view(row: Row) -> GroupView:
    """Return a group without its members."""
    return GroupView.model_construct(**{name: row[name] for name in _COLUMNS})


def group_details(tx: Tx, row: Row) -> GroupDetails:
    """Return a group with its members; six statements for any number of them."""
    stored = repository.members(tx, tx.workspace_id, [row["id"]])
    people = _people(tx, stored)
    own = set(accounts.own_addresses(tx, tx.workspace_id, row["account_id"]))
    members = [_member(member, people, own) for member in stored]
    members.sort(key=lambda member: (_RANK[member.role], not member.is_us, member.display_name.casefold()))
    return GroupDetails.model_construct(**{name: row[name] for name in _COLUMNS}, members=members)


def name_of(person: ContactSummary | None, phone: str | None, address: str) -> str:
    """Return how to call a member: by the contact's name, the number, else the hidden address."""
    if person is not None:
        return person.display_name
    return phone or f"~{address.partition('@')[0]}"


def _people(tx: Tx, stored: Sequence[Row]) -> dict[str, ContactSummary]:
    wanted: dict[str, str] = {}
    for member in stored:
        wanted[member["address"]] = member["address"]
        if member["phone"]:
            wanted.setdefault(f"{member['phone'].removeprefix('+')}@s.whatsapp.net", member["address"])
    found = people_at(tx, tx.workspace_id, wanted)
    by_member: dict[str, ContactSummary] = {}
    for address, person in found.items():
        by_member.setdefault(wanted[address], person)
    return by_member


def _member(row: Row, people: Mapping[str, ContactSummary], own: set[str]) -> GroupMember:
    person = people.get(row["address"])
    number = f"{(row['phone'] or '').removeprefix('+')}@s.whatsapp.net"
    return GroupMember.model_construct(
        address=row["address"],
        phone=row["phone"] or (person.phone if person is not None else None),
        role=row["role"],
        is_us=row["address"] in own or number in own,
        display_name=name_of(person, row["phone"], row["address"]),
        contact=ChatContact.of(person),
    )
