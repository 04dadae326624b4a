"""Finding the contacts of many peers at once: create those that are new, learn identifiers, notice that two are one.

What WhatsApp said last is true: a number that a LID uses now belongs to that LID, whoever had it before. Two LIDs are
two people, whose chats never become one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from blazz import events
from blazz.contacts import history, kept, repository, repository_history, repository_profiles
from blazz.contacts.known import Known
from blazz.contacts.peers import Merge, Peer, Resolution
from blazz.kit.db import Tx
from blazz.kit.phones import phone_forms
from blazz.kit.time import utc_now


def resolve(tx: Tx, peers: Iterable[Peer]) -> Resolution:
    """Return the contact of each peer, creating what is missing; three statements for any number of known peers."""
    wanted = list(dict.fromkeys(peers))
    resolution = Resolution()
    if not wanted:
        return resolution
    known = Known.load(tx, wanted)
    for peer in wanted:
        resolution.contact_ids[peer] = _resolve_one(peer, known, resolution)
    known.write(tx)
    kept.take_over(tx, known.added)
    replaced = {merge.loser: merge.winner for merge in resolution.merges}
    if replaced:
        both = {*replaced, *replaced.values()}
        repository.hold(tx, {merge.workspace_id for merge in resolution.merges}, both, whole=True)
    for peer, found in list(resolution.contact_ids.items()):
        while found in replaced:
            found = replaced[found]
        resolution.contact_ids[peer] = found
        resolution.identifiers[found] = dict(known.by_contact[found])
    _learn_names(tx, resolution)
    return resolution


def finish_merges(tx: Tx, merges: Sequence[Merge]) -> None:
    """Move what belongs to the losers and remove them, once everything else of theirs was moved."""
    if not merges:
        return
    workspaces = {merge.workspace_id for merge in merges}
    names = {row["id"]: row for row in repository.find_many(tx, workspaces, {merge.loser for merge in merges})}
    for merge in merges:
        lost = repository.identifiers_of(tx, [merge.workspace_id], [merge.loser])
        repository.move_identifiers(tx, merge.workspace_id, merge.loser, merge.winner)
        repository_profiles.move_blocks(tx, merge.workspace_id, merge.loser, merge.winner)
        repository_history.move(tx, merge.workspace_id, merge.loser, merge.winner)
        name = names.get(merge.loser)
        if name is not None:
            repository.keep_names(tx, merge.workspace_id, merge.winner, name)
        repository.delete_contact(tx, merge.workspace_id, merge.loser)
        data = {
            "merged_contact_id": str(merge.loser),
            "name": None if name is None else name["name"],
            "push_name": None if name is None else name["push_name"],
            "identifiers": {row["kind"]: row["value"] for row in lost},
        }
        history.add(tx, [history.Entry(merge.workspace_id, merge.winner, "merged", merge.reason, data)])
        now_known = repository.identifiers_of(tx, [merge.workspace_id], [merge.winner])
        events.append(
            tx,
            "contact.merged",
            {
                "contact_id": str(merge.winner),
                "merged_contact_id": str(merge.loser),
                "identifiers": {row["kind"]: row["value"] for row in now_known},
            },
            workspace_id=merge.workspace_id,
        )


def _resolve_one(peer: Peer, known: Known, resolution: Resolution) -> uuid.UUID:
    by_phone = _by_phone(peer, known, resolution)
    by_lid = known.holder(peer.workspace_id, "lid", peer.lid)
    if by_phone is not None and by_phone != by_lid and peer.lid and "lid" in known.by_contact[by_phone]:
        return _hand_over(peer, by_phone, by_lid, known, resolution)
    if by_phone is not None and by_lid is not None and by_phone != by_lid:
        return _merge(peer, by_phone, by_lid, known, resolution)
    contact_id = by_phone or by_lid or known.create(peer)
    have = known.by_contact[contact_id]
    known_before = bool(have)
    before = have.get("phone")
    if peer.phone and by_phone is None and before is not None:
        _change_number(peer, contact_id, before, known, resolution)
    learned = False
    for kind, value in (("phone", peer.phone), ("lid", peer.lid)):
        if value and kind not in have:
            known.add(peer.workspace_id, contact_id, kind, value)
            learned = known_before
    changed = known_before and (learned or before != have.get("phone"))
    if changed and "phone" in have and "lid" in have:
        _note_mapping(peer, contact_id, known, resolution, told=learned)
    return contact_id


def _by_phone(peer: Peer, known: Known, resolution: Resolution) -> uuid.UUID | None:
    """Return the contact with the peer's number in any form, and let it have the form that WhatsApp uses."""
    found = known.holder(peer.workspace_id, "phone", peer.phone)
    if peer.phone is None:
        return None
    for form in phone_forms(peer.phone)[1:]:
        other = known.holder(peer.workspace_id, "phone", form)
        if other is None or peer.reason == "team":
            found = found or other
        elif found is None:
            known.replace(peer.workspace_id, other, "phone", form, peer.phone)
            known.tell(peer.workspace_id, other, "number_form", peer.reason, before=form, after=peer.phone)
            resolution.renumbered.append((peer.workspace_id, other, form, peer.phone))
            found = other
        elif found != other and len({known.by_contact[one].get("lid") for one in (found, other)} - {None}) < 2:
            known.drop(peer.workspace_id, "phone", form)
            known.absorb(found, other)
            resolution.merges.append(Merge(peer.workspace_id, found, other, peer.reason))
    return found


def _merge(peer: Peer, winner: uuid.UUID, loser: uuid.UUID, known: Known, resolution: Resolution) -> uuid.UUID:
    """Join the contact with the number and the contact with the LID: WhatsApp says that they are one person."""
    former = known.by_contact[loser].get("phone")
    if former is not None:
        known.drop(peer.workspace_id, "phone", former)
        known.tell(peer.workspace_id, winner, "number_changed", peer.reason, before=former, after=peer.phone)
    known.absorb(winner, loser)
    resolution.merges.append(Merge(peer.workspace_id, winner, loser, peer.reason))
    _note_mapping(peer, winner, known, resolution, told=False)
    return winner


def _hand_over(
    peer: Peer, former: uuid.UUID, by_lid: uuid.UUID | None, known: Known, resolution: Resolution
) -> uuid.UUID:
    """Give a number to the LID that uses it now. Two LIDs are two people: their chats must never become one."""
    assert peer.phone is not None
    assert peer.lid is not None
    contact_id = by_lid or known.create(peer)
    if by_lid is None:
        known.add(peer.workspace_id, contact_id, "lid", peer.lid)
    own = known.by_contact[contact_id].get("phone")
    if own is not None:
        known.drop(peer.workspace_id, "phone", own)
        known.tell(peer.workspace_id, contact_id, "number_changed", peer.reason, before=own, after=peer.phone)
    known.give(peer.workspace_id, "phone", peer.phone, contact_id)
    known.tell(peer.workspace_id, former, "number_lost", peer.reason, phone=peer.phone, to_contact_id=str(contact_id))
    known.tell(
        peer.workspace_id, contact_id, "number_taken", peer.reason, phone=peer.phone, from_contact_id=str(former)
    )
    resolution.handed_over.append((peer.workspace_id, former, peer.phone, known.by_contact[former]["lid"]))
    return contact_id


def _change_number(peer: Peer, contact_id: uuid.UUID, before: str, known: Known, resolution: Resolution) -> None:
    """The LID has another number now: its person took the account along. The former number leads to nobody."""
    assert peer.phone is not None
    known.replace(peer.workspace_id, contact_id, "phone", before, peer.phone)
    known.tell(peer.workspace_id, contact_id, "number_changed", peer.reason, before=before, after=peer.phone)
    resolution.renumbered.append((peer.workspace_id, contact_id, before, peer.phone))


def _note_mapping(peer: Peer, contact_id: uuid.UUID, known: Known, resolution: Resolution, *, told: bool) -> None:
    have = known.by_contact[contact_id]
    phone, lid = peer.phone or have["phone"], peer.lid or have["lid"]
    resolution.learned_lids.append((peer.workspace_id, contact_id, phone, lid))
    if told:
        known.tell(peer.workspace_id, contact_id, "mapping_learned", peer.reason, phone=phone, lid=lid)


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
            data = {
                "contact_id": str(row["contact"]),
                "changed": ["push_name"],
                "identifiers": resolution.identifiers[row["contact"]],
            }
            events.append(tx, "contact.updated", data, workspace_id=row["workspace"])


__all__ = ["Merge", "Peer", "Resolution", "finish_merges", "resolve"]
