"""Storing what WhatsApp tells of groups: whole groups and single changes, each told once however often it arrives.

What is stored already is no news: events and notices follow from the difference.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import service as accounts
from blazz.groups import people, repository
from blazz.groups.closed import closed
from blazz.groups.facts import MOVES, GroupChange, GroupFacts, Member, Person, Role
from blazz.groups.new import SETTINGS, Us, columns_of, insert, member_row
from blazz.kit.db import Tx
from blazz.kit.time import utc_now
from blazz.messaging import group_chats, notices

Row = Mapping[str, Any] | RowMapping


def store_group(
    tx: Tx,
    workspace_id: uuid.UUID,
    account_id: uuid.UUID,
    facts: GroupFacts,
    *,
    actor: Person | None = None,
    entered: bool = False,
) -> uuid.UUID:
    """Store a whole group that the account is in and return its id, which is its chat's.

    `entered`: we have just come into it, by `actor`; the inbox shows it then although nobody has written yet.
    """
    # the news of a group of ours comes from its owner at the moment in which the API stores it
    accounts.hold(tx, workspace_id, account_id)
    facts = people.facts_under_lids(tx, workspace_id, facts)
    if entered:
        events.see_all_rows(tx, workspace_id)
    chat = group_chats.ensure(tx, workspace_id, account_id, [facts.address])[facts.address]
    row = repository.by_address(tx, workspace_id, account_id, [facts.address]).get(facts.address)
    if row is not None and people.learn_lids(tx, workspace_id, chat.id, [member.person for member in facts.members]):
        row = repository.by_address(tx, workspace_id, account_id, [facts.address])[facts.address]
    us = Us(tx, workspace_id, account_id)
    role = next((member.role for member in facts.members if us.is_us(member.person)), "member")
    now = utc_now()
    values = columns_of(facts, state="member", role=role)
    told = {"workspace_id": workspace_id, "account_id": account_id}
    ids = {"group_id": str(chat.id), "chat_id": str(chat.id)}
    if row is None:
        insert(tx, workspace_id, account_id, chat.id, facts, values)
        events.append(tx, "group.created", {**ids, "entered": entered}, **told)
    else:
        changed = [name for name, value in values.items() if row[name] != value]
        if changed:
            repository.change(tx, workspace_id, chat.id, {**values, "updated_at": now})
        came, went, roles = _store_members(tx, workspace_id, chat.id, facts.members)
        if row["state"] != "member":
            events.append(tx, "group.created", {**ids, "entered": entered}, **told)
        elif changed and set(changed) != {"member_count"}:
            events.append(tx, "group.updated", {**ids, "changed": sorted(changed)}, **told)
        if came or went or roles:
            data = {**ids, "joined": came, "left": went, "roles": roles}
            events.append(tx, "group.participants", data, **told)
    group_chats.describe(
        tx,
        workspace_id,
        chat.id,
        name=facts.subject,
        member_count=facts.size,
        closed=closed(values),
        shown_at=now if entered else None,
    )
    if entered and (row is None or row["state"] != "member"):
        founded = facts.founded_at.timestamp() if facts.founded_at is not None else 0
        key = _key(facts.address, "entered", founded, _minute(now))
        made = facts.owner is not None and actor is not None and facts.owner == actor.address
        event = "group_created" if made else "group_entered"
        notices.add(tx, chat, event, {"subject": facts.subject}, key=key, author=_author(us, actor))
    return chat.id


def store_change(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, change: GroupChange) -> bool:
    """Apply one change; False when the group is not known here, so that the whole group must be asked for."""
    row = repository.by_address(tx, workspace_id, account_id, [change.address]).get(change.address)
    if row is None:
        return False
    events.see_all_rows(tx, workspace_id)
    change = people.change_under_lids(tx, workspace_id, change)
    if people.learn_lids(tx, workspace_id, row["id"], change.everybody):
        row = repository.by_address(tx, workspace_id, account_id, [change.address])[change.address]
    us = Us(tx, workspace_id, account_id)
    group_id = row["id"]
    values = _changed_values(row, change)
    present = {member["address"]: member for member in repository.members(tx, workspace_id, [group_id])}
    joined = [person for person in change.joined if person.address not in present]
    left = [person for person in change.left if person.address in present]
    promoted = _with_new_role(change.promoted, present, "admin")
    demoted = _with_new_role(change.demoted, present, "member")
    now = utc_now()
    members = [Member(person, "member") for person in joined]
    repository.insert_members(tx, [member_row(workspace_id, group_id, member, now) for member in members])
    repository.remove_members(tx, workspace_id, group_id, [person.address for person in left])
    repository.set_members(
        tx,
        [
            {"w": workspace_id, "g": group_id, "a": person.address, "new_role": role, "new_phone": person.phone}
            for some, role in ((promoted, "admin"), (demoted, "member"))
            for person in some
        ],
    )
    if joined or left:
        values["member_count"] = max(len(present) + len(joined) - len(left), 0)
    if any(us.is_us(person) for person in (*promoted, *demoted)):
        values["role"] = "admin" if any(us.is_us(person) for person in promoted) else "member"
    gone = any(us.is_us(person) for person in left)
    if gone or (change.deleted and row["state"] == "member"):
        values["state"] = (
            "deleted" if change.deleted else "left" if us.is_us(change.actor) or not change.actor else "removed"
        )
    elif any(us.is_us(person) for person in joined):
        values["state"] = "member"
    if values:
        repository.change(tx, workspace_id, group_id, {**values, "updated_at": now})
    after = {**row, **values}
    group_chats.describe(
        tx,
        workspace_id,
        group_id,
        name=after["subject"],
        member_count=after["member_count"],
        closed=closed(after),
    )
    _tell(tx, row, change, values, {"joined": joined, "left": left, "promoted": promoted, "demoted": demoted}, us)
    return True


def missing(tx: Tx, account_id: uuid.UUID, listed: Collection[str]) -> list[str]:
    """Return the groups that the account is in as far as we know, and that WhatsApp does not list."""
    return sorted(set(repository.joined_addresses(tx, tx.workspace_id, account_id)) - set(listed))


def leave_missing(tx: Tx, account_id: uuid.UUID, listed: Collection[str]) -> list[uuid.UUID]:
    """Mark groups that WhatsApp does not list any more as left; returns their ids."""
    gone = []
    addresses = missing(tx, account_id, listed)
    for row in repository.by_address(tx, tx.workspace_id, account_id, addresses).values() if addresses else ():
        mark_left(tx, row)
        gone.append(row["id"])
    return gone


def mark_left(tx: Tx, row: Row) -> None:
    """Note that we are no longer in a group."""
    workspace_id, group_id = row["workspace_id"], row["id"]
    repository.change(tx, workspace_id, group_id, {"state": "left", "updated_at": utc_now()})
    group_chats.describe(
        tx, workspace_id, group_id, name=row["subject"], member_count=row["member_count"], closed="left"
    )
    data = {"group_id": str(group_id), "chat_id": str(group_id), "state": "left"}
    events.append(tx, "group.left", data, workspace_id=workspace_id, account_id=row["account_id"])


def _changed_values(row: Row, change: GroupChange) -> dict[str, Any]:
    told = {
        "subject": change.subject[:128] if change.subject is not None else None,
        "announcement": change.announcement,
        "locked": change.locked,
        "ephemeral_s": change.ephemeral_s,
    }
    values: dict[str, Any] = {name: value for name, value in told.items() if value is not None and row[name] != value}
    if change.description is not None and (row["description"] or "") != change.description:
        values["description"] = change.description or None
    return values


def _with_new_role(some: Iterable[Person], present: Mapping[str, Row], role: Role) -> list[Person]:
    return [
        person
        for person in some
        if person.address in present
        and present[person.address]["role"] != role
        and not (role == "admin" and present[person.address]["role"] == "superadmin")
    ]


def _store_members(
    tx: Tx, workspace_id: uuid.UUID, group_id: uuid.UUID, members: Collection[Member]
) -> tuple[list[str], list[str], dict[str, str]]:
    """Make the stored members those given; returns who came, who went and whose role is another."""
    present = {row["address"]: row for row in repository.members(tx, workspace_id, [group_id])}
    given = {member.person.address: member for member in members}
    now = utc_now()
    came = [member for address, member in given.items() if address not in present]
    went = [address for address in present if address not in given]
    repository.remove_members(tx, workspace_id, group_id, went)
    repository.insert_members(tx, [member_row(workspace_id, group_id, member, now) for member in came])
    changed = [
        member
        for address, member in given.items()
        if address in present
        and (present[address]["role"] != member.role or (member.person.phone and not present[address]["phone"]))
    ]
    repository.set_members(
        tx,
        [
            {
                "w": workspace_id,
                "g": group_id,
                "a": member.person.address,
                "new_role": member.role,
                "new_phone": member.person.phone,
            }
            for member in changed
        ],
    )
    roles = {
        member.person.address: member.role
        for member in changed
        if present[member.person.address]["role"] != member.role
    }
    return [member.person.address for member in came], went, cast(dict[str, str], roles)


def _tell(
    tx: Tx,
    row: Row,
    change: GroupChange,
    values: Mapping[str, Any],
    moves: Mapping[str, list[Person]],
    us: Us,
) -> None:
    """Add the events and the notices of a change that was applied."""
    workspace_id, account_id, group_id = row["workspace_id"], row["account_id"], row["id"]
    told = {"workspace_id": workspace_id, "account_id": account_id}
    ids = {"group_id": str(group_id), "chat_id": str(group_id)}
    facts = [name for name in ("subject", "description", *SETTINGS) if name in values]
    if facts or change.link_reset:
        changed = [*facts, *(["invite_link"] if change.link_reset else [])]
        events.append(tx, "group.updated", {**ids, "changed": changed}, **told)
    moved = {name: [person.address for person in some] for name, some in moves.items() if some}
    if moved:
        by = None if change.actor is None else change.actor.address
        events.append(tx, "group.participants", {**ids, **moved, "by": by}, **told)
    if values.get("state", "member") != "member":
        events.append(tx, "group.left", {**ids, "state": values["state"]}, **told)
    chat = group_chats.ensure(tx, workspace_id, account_id, [change.address])[change.address]
    at = change.at.timestamp()

    def note(event: str, data: Mapping[str, Any], *mark: object) -> None:
        key = _key(change.address, event, at, *mark)
        notices.add(tx, chat, event, data, key=key, at=change.at, author=_author(us, change.actor))

    if "subject" in values:
        note("group_subject", {"subject": values["subject"]}, values["subject"])
    if "description" in values:
        note("group_description", {"description": values["description"] or ""}, values["description"])
    for name in ("announcement", "locked"):
        if name in values:
            note(f"group_{name}", {"on": values[name]}, values[name])
    if "ephemeral_s" in values:
        note("timer", {"seconds": values["ephemeral_s"]}, values["ephemeral_s"])
    if change.link_reset:
        note("group_link_reset", {})
    for name in MOVES:
        some = moves[name]
        if not some:
            continue
        own_doing = change.actor is not None and [person.address for person in some] == [change.actor.address]
        event = "group_removed" if name == "left" and change.actor is not None and not own_doing else f"group_{name}"
        data: dict[str, Any] = {"participants": [person.address for person in some]}
        if any(us.is_us(person) for person in some):
            data["us"] = True
        if name == "joined" and change.by_link:
            data["by_link"] = True
        note(event, data, *sorted(person.address for person in some))


def _author(us: Us, actor: Person | None) -> str:
    """Return who caused something, as notices name them: empty for us and for nobody in particular."""
    return "" if actor is None or us.is_us(actor) else actor.address


def _minute(at: dt.datetime) -> int:
    return int(at.timestamp() // 60)


def _key(address: str, *parts: object) -> str:
    """Return what tells a happening from another one, also when it is delivered again."""
    text = "\n".join(str(part) for part in (address, *parts))
    return f"group:{hashlib.sha256(text.encode()).hexdigest()[:40]}"
