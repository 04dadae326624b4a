"""Finding the contacts of many peers at once: create those that are new, learn identifiers, notice that two are one."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from blazz import events
from blazz.contacts import repository
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody on WhatsApp: at least one of `phone` (E.164 with plus) and `lid` (digits) is known."""

    workspace_id: uuid.UUID
    phone: str | None
    lid: str | None
    push_name: str | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    """Two contacts found to be one: everything of `loser` belongs to `winner`."""

    workspace_id: uuid.UUID
    winner: uuid.UUID
    loser: uuid.UUID


@dataclass(slots=True)
class Resolution:
    """The contact of each peer, and what must be moved or re-keyed because of what was learned."""

    contact_ids: dict[Peer, uuid.UUID] = field(default_factory=dict)
    merges: list[Merge] = field(default_factory=list)
    learned_lids: list[tuple[uuid.UUID, uuid.UUID, str, str]] = field(default_factory=list)
    """(workspace, contact, phone, lid) of mappings that were not known before."""
    handed_over: list[tuple[uuid.UUID, uuid.UUID, str, str]] = field(default_factory=list)
    """(workspace, former contact, phone, the former contact's lid) of numbers that now belong to somebody else."""


@dataclass(slots=True)
class _Known:
    """What is known while a batch is resolved: identifiers by value, identifiers by contact, news to write."""

    by_value: dict[tuple[uuid.UUID, str, str], uuid.UUID]
    by_contact: dict[uuid.UUID, dict[str, str]]
    contacts: list[dict[str, Any]] = field(default_factory=list)
    identifiers: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)

    def add(self, workspace_id: uuid.UUID, contact_id: uuid.UUID, kind: str, value: str) -> None:
        """Note an identifier that is new."""
        self.by_contact[contact_id][kind] = value
        self.by_value[workspace_id, kind, value] = contact_id
        own = {"workspace_id": workspace_id, "contact_id": contact_id, "kind": kind, "value": value}
        self.identifiers.append({"id": uuid7(), **own, "created_at": utc_now()})


def resolve(tx: Tx, peers: Iterable[Peer]) -> Resolution:
    """Return the contact of each peer, creating what is missing; three statements for any number of known peers."""
    wanted = list(dict.fromkeys(peers))
    resolution = Resolution()
    if not wanted:
        return resolution
    known = _load(tx, wanted)
    for peer in wanted:
        resolution.contact_ids[peer] = _resolve_one(peer, known, resolution)
    if known.contacts:
        repository.insert_contacts(tx, known.contacts)
        for row in known.contacts:
            events.append(tx, "contact.created", {"contact_id": str(row["id"])}, workspace_id=row["workspace_id"])
    if known.identifiers:
        repository.insert_identifiers(tx, known.identifiers)
    if known.moved:
        repository.reassign(tx, known.moved)
    replaced = {merge.loser: merge.winner for merge in resolution.merges}
    if replaced:
        both = {*replaced, *replaced.values()}
        repository.hold(tx, {merge.workspace_id for merge in resolution.merges}, both, whole=True)
    for peer, found in list(resolution.contact_ids.items()):
        while found in replaced:
            found = replaced[found]
        resolution.contact_ids[peer] = found
    _learn_names(tx, resolution)
    return resolution


def finish_merges(tx: Tx, merges: Sequence[Merge]) -> None:
    """Move identifiers and remove the losers, once everything else of theirs was moved. The audit is the event."""
    for merge in merges:
        repository.move_identifiers(tx, merge.workspace_id, merge.loser, merge.winner)
        repository.delete_contact(tx, merge.workspace_id, merge.loser)
        events.append(
            tx,
            "contact.merged",
            {"contact_id": str(merge.winner), "merged_contact_id": str(merge.loser)},
            workspace_id=merge.workspace_id,
        )


def _load(tx: Tx, peers: Sequence[Peer]) -> _Known:
    workspaces = {peer.workspace_id for peer in peers}
    values = {value for peer in peers for value in (peer.phone, peer.lid) if value}
    rows = repository.identifiers_by_value(tx, workspaces, values)
    by_value = {(row["workspace_id"], row["kind"], row["value"]): row["contact_id"] for row in rows}
    by_contact: dict[uuid.UUID, dict[str, str]] = defaultdict(dict)
    incomplete = {row["contact_id"] for row in rows}
    for row in rows:
        by_contact[row["contact_id"]][row["kind"]] = row["value"]
    missing = [contact for contact in incomplete if len(by_contact[contact]) < 2]
    if missing:
        # somebody may be learning the other address at this moment: what is stored now must know it
        repository.hold(tx, workspaces, missing)
        for row in repository.identifiers_of(tx, workspaces, missing):
            by_contact[row["contact_id"]][row["kind"]] = row["value"]
    return _Known(by_value, by_contact)


def _resolve_one(peer: Peer, known: _Known, resolution: Resolution) -> uuid.UUID:
    by_phone = known.by_value.get((peer.workspace_id, "phone", peer.phone)) if peer.phone else None
    by_lid = known.by_value.get((peer.workspace_id, "lid", peer.lid)) if peer.lid else None
    other_lid = by_phone is not None and by_phone != by_lid and "lid" in known.by_contact[by_phone]
    if by_phone and peer.lid and other_lid:
        return _hand_over(peer, by_phone, by_lid, known, resolution)
    if by_phone and by_lid and by_phone != by_lid:
        resolution.merges.append(Merge(peer.workspace_id, winner=by_phone, loser=by_lid))
        for key, contact_id in list(known.by_value.items()):
            if contact_id == by_lid:
                known.by_value[key] = by_phone
        known.by_contact[by_phone] |= known.by_contact.pop(by_lid, {})
        _note_mapping(peer, by_phone, resolution)
        return by_phone
    contact_id = by_phone or by_lid or _create(peer, known)
    have = known.by_contact[contact_id]
    known_before, learned = bool(have), False
    for kind, value in (("phone", peer.phone), ("lid", peer.lid)):
        # a second value of a kind is not learned by guess: numbers change hands, the first mapping stays
        if value and kind not in have:
            learned = known_before
            known.add(peer.workspace_id, contact_id, kind, value)
    if learned and "phone" in have and "lid" in have:
        _note_mapping(Peer(peer.workspace_id, have["phone"], have["lid"]), contact_id, resolution)
    return contact_id


def _hand_over(
    peer: Peer, former: uuid.UUID, by_lid: uuid.UUID | None, known: _Known, resolution: Resolution
) -> uuid.UUID:
    """Give a number to the LID that uses it now. Two LIDs are two people: their chats must never become one."""
    assert peer.phone is not None
    assert peer.lid is not None
    contact_id = by_lid or _create(peer, known)
    if by_lid is None:
        known.add(peer.workspace_id, contact_id, "lid", peer.lid)
    known.by_value[peer.workspace_id, "phone", peer.phone] = contact_id
    known.by_contact[former].pop("phone", None)
    known.by_contact[contact_id].setdefault("phone", peer.phone)
    known.moved.append({"workspace": peer.workspace_id, "number": peer.phone, "contact": contact_id})
    resolution.handed_over.append((peer.workspace_id, former, peer.phone, known.by_contact[former]["lid"]))
    return contact_id


def _note_mapping(peer: Peer, contact_id: uuid.UUID, resolution: Resolution) -> None:
    if peer.phone and peer.lid:
        resolution.learned_lids.append((peer.workspace_id, contact_id, peer.phone, peer.lid))


def _create(peer: Peer, known: _Known) -> uuid.UUID:
    contact_id, now = uuid7(), utc_now()
    known.contacts.append(
        {
            "id": contact_id,
            "workspace_id": peer.workspace_id,
            "name": None,
            "push_name": (peer.push_name or "")[:128] or None,
            "created_at": now,
            "updated_at": now,
        }
    )
    known.by_contact[contact_id] = {}
    return contact_id


def _learn_names(tx: Tx, resolution: Resolution) -> None:
    names = {contact: peer.push_name[:128] for peer, contact in resolution.contact_ids.items() if peer.push_name}
    if not names:
        return
    workspaces = {peer.workspace_id for peer in resolution.contact_ids}
    now = utc_now()
    changed = [
        {"workspace": row["workspace_id"], "contact": row["id"], "pushed": names[row["id"]], "now": now}
        for row in repository.find_many(tx, workspaces, names)
        if row["push_name"] != names[row["id"]]
    ]
    if changed:
        repository.set_push_names(tx, changed)
        for row in changed:
            events.append(tx, "contact.updated", {"contact_id": str(row["contact"])}, workspace_id=row["workspace"])
