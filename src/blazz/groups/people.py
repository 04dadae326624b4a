"""Members of groups under one address each: the LID where we or WhatsApp know it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from blazz.contacts import service as contacts
from blazz.contacts.by_address import canonical
from blazz.contacts.peers import Peer
from blazz.groups import repository
from blazz.groups.facts import GroupChange, GroupFacts, Person
from blazz.kit.db import Tx
from blazz.messaging import rekeying
from blazz.messaging.identities import learn, phone_address


def learn_lids(tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, people: Collection[Person]) -> bool:
    """Re-key those of `people` who stand in the group under their number, now that their LID is told; were there any?

    Somebody who is a contact is learned of as from a message; a stranger does not become one.
    """
    told = {phone_address(person.phone): person for person in people if person.phone and person.lid}
    if not told:
        return False
    stale = [told[address] for address in repository.addresses_among(tx, workspace_id, group_id, told)]
    if not stale:
        return False
    known = contacts.find_many(tx, [(person.phone, person.lid) for person in stale])
    learn(
        tx,
        [
            Peer(workspace_id, person.phone, person.lid, reason="lookup")
            for person, contact_id in zip(stale, known, strict=True)
            if contact_id is not None
        ],
    )
    for person in stale:
        rekeying.rekey(tx, workspace_id, phone_address(person.phone or ""), person.address)
    return True


def facts_under_lids(tx: Tx, workspace_id: uuid.UUID, facts: GroupFacts) -> GroupFacts:
    """Return a group with its members under the LIDs that we know, also where WhatsApp names their numbers only."""
    addresses = {member.person.address for member in facts.members} | {facts.owner or ""}
    lids = canonical(tx, [workspace_id], addresses)
    if not lids:
        return facts
    members = {
        person.address: replace(member, person=person)
        for member in facts.members
        for person in [member.person.under(lids.get((workspace_id, member.person.address)))]
    }
    owner = lids.get((workspace_id, facts.owner or ""), facts.owner)
    return replace(facts, members=tuple(members.values()), owner=owner)


def change_under_lids(tx: Tx, workspace_id: uuid.UUID, change: GroupChange) -> GroupChange:
    """Return a change with its people under the LIDs that we know."""
    lids = canonical(tx, [workspace_id], {person.address for person in change.everybody})
    if not lids:
        return change

    def known(person: Person) -> Person:
        return person.under(lids.get((workspace_id, person.address)))

    moved: dict[str, Any] = {name: tuple(known(person) for person in people) for name, people in change.moves.items()}
    return replace(change, **moved, actor=known(change.actor) if change.actor else None)
