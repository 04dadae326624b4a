"""What WhatsApp tells of groups, in our terms: addresses without devices, people under their canonical address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from blazz._generated.engine import engine_pb2 as events_pb
from blazz._generated.engine import groups_pb2 as pb
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging.addresses import lid_of, phone_of, without_device

Role = Literal["member", "admin", "superadmin"]
MOVES = ("joined", "left", "promoted", "demoted")
"""What becomes of people in a change."""
_ROLES = ("member", "admin", "superadmin")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody under the addresses that are known: `address` is the LID where there is one."""

    address: str
    phone: str | None = None
    lid: str | None = None

    @classmethod
    def of(cls, *addresses: str) -> Person | None:
        """Return the person behind the first addresses of each kind; None when there is none."""
        known = [without_device(address) for address in addresses if address]
        phone = next((number for address in known if (number := phone_of(address)) is not None), None)
        lid = next((digits for address in known if (digits := lid_of(address)) is not None), None)
        if lid is not None:
            return cls(f"{lid}@lid", phone, lid)
        return cls(known[0], phone, None) if known else None

    def under(self, address: str | None) -> Person:
        """Return this person under the LID address that they are known by (None: as they are)."""
        return self if address is None else Person(address, self.phone, lid_of(address))


@dataclass(frozen=True, slots=True)
class Member:
    """A member with their role."""

    person: Person
    role: Role


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A whole group."""

    address: str
    subject: str
    description: str
    owner: str | None
    founded_at: dt.datetime | None
    announcement: bool
    locked: bool
    join_approval: bool
    member_add_mode: str
    ephemeral_s: int
    is_community: bool
    community: str | None
    suspended: bool
    members: tuple[Member, ...]
    size: int

    @classmethod
    def of(cls, group: pb.Group) -> GroupFacts:
        owner = Person.of(group.owner, group.owner_alt)
        members = []
        for entry in group.members:
            person = Person.of(entry.jid, entry.lid, entry.phone)
            if person is not None:
                members.append(Member(person, cast(Role, entry.role if entry.role in _ROLES else "member")))
        return cls(
            address=group.jid,
            subject=_storable(group.subject),
            description=_storable(group.description),
            owner=owner.address if owner is not None else None,
            founded_at=from_unix_ms(group.created_at_ms) if group.created_at_ms else None,
            announcement=group.announcement,
            locked=group.locked,
            join_approval=group.join_approval,
            member_add_mode=group.member_add_mode[:16] or "all_member_add",
            ephemeral_s=group.ephemeral_s,
            is_community=group.is_community,
            community=group.community or None,
            suspended=group.suspended,
            members=tuple({member.person.address: member for member in members}.values()),
            size=max(group.size, len(members)),
        )


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What has changed in a group; None and empty mean that it is as it was. `actor` is who did it, where known."""

    address: str
    actor: Person | None
    at: dt.datetime
    subject: str | None = None
    description: str | None = None
    announcement: bool | None = None
    locked: bool | None = None
    ephemeral_s: int | None = None
    joined: tuple[Person, ...] = ()
    left: tuple[Person, ...] = ()
    promoted: tuple[Person, ...] = ()
    demoted: tuple[Person, ...] = ()
    by_link: bool = False
    link_reset: bool = False
    deleted: bool = False

    @property
    def moves(self) -> dict[str, tuple[Person, ...]]:
        """Return the people of the change by what becomes of them."""
        return {name: getattr(self, name) for name in MOVES}

    @property
    def everybody(self) -> list[Person]:
        """Return all whom the change names."""
        named = [person for people in self.moves.values() for person in people]
        return [*named, self.actor] if self.actor is not None else named

    @classmethod
    def of(cls, change: events_pb.GroupChange) -> GroupChange:
        return cls(
            address=change.jid,
            actor=Person.of(change.actor, change.actor_alt),
            at=from_unix_ms(change.timestamp_ms) if change.timestamp_ms else utc_now(),
            subject=_storable(change.subject) if change.HasField("subject") else None,
            description=_storable(change.description) if change.HasField("description") else None,
            announcement=change.announcement if change.HasField("announcement") else None,
            locked=change.locked if change.HasField("locked") else None,
            ephemeral_s=change.ephemeral_s if change.HasField("ephemeral_s") else None,
            joined=_people(change.joined),
            left=_people(change.left),
            promoted=_people(change.promoted),
            demoted=_people(change.demoted),
            by_link=change.join_reason == "invite",
            link_reset=change.link_reset,
            deleted=change.deleted,
        )


def _people(people: Iterable[events_pb.GroupPerson]) -> tuple[Person, ...]:
    found = (Person.of(entry.jid, entry.alt) for entry in people)
    return tuple(person for person in found if person is not None)


def _storable(text: str) -> str:
    # PostgreSQL cannot store the character U+0000
    return text.replace("\x00", "\ufffd")
