"""Who wrote a message, under whichever address it came: one identity, and what follows when a mapping is learned."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from blazz import events
from blazz.contacts.resolve import Peer, Resolution, finish_merges, resolve
from blazz.kit.db import Tx
from blazz.messaging import changes, newest, rekeying, repository
from blazz.messaging.addresses import LID_SERVER, PHONE_SERVER
from blazz.messaging.model import InboundMessage

Identity = tuple[uuid.UUID, str, bool, str]
"""Account, WhatsApp id, whether it is from us, author: unique over all messages."""


def peer_of(message: InboundMessage) -> Peer | None:
    """Return the person on the other side of a message; None where no address of theirs is known."""
    if message.phone is None and message.lid is None:
        return None
    name = None if message.from_me else message.push_name
    return Peer(message.workspace_id, message.phone, message.lid, name)


def learn(tx: Tx, peers: Iterable[Peer]) -> Resolution:
    """Find the contacts of people whom WhatsApp has told of, and let chats and messages follow what was learned."""
    resolution = resolve(tx, peers)
    apply_learned(tx, resolution)
    return resolution


def apply_learned(tx: Tx, resolution: Resolution) -> None:
    """Re-key authors where a LID became known, move what belongs to merged contacts; all in this unit."""
    learned = [*resolution.handed_over, *resolution.learned_lids, *resolution.renumbered]
    for workspace_id in {item[0] for item in learned} | {merge.workspace_id for merge in resolution.merges}:
        events.see_all_rows(tx, workspace_id)
    for workspace_id, contact_id, phone, lid in resolution.handed_over:
        repository.change_address(tx, workspace_id, contact_id, phone_address(phone), lid_address(lid))
    for workspace_id, contact_id, before, after in resolution.renumbered:
        repository.change_address(tx, workspace_id, contact_id, phone_address(before), phone_address(after))
    dropped: list[tuple[uuid.UUID, uuid.UUID, int]] = []
    for workspace_id, _, phone, lid in resolution.learned_lids:
        lost = rekeying.rekey(tx, workspace_id, phone_address(phone), lid_address(lid))
        dropped += [(workspace_id, chat_id, count) for chat_id, count in lost]
    for merge in resolution.merges:
        repository.move_chats(tx, merge.workspace_id, merge.loser, merge.winner)
    finish_merges(tx, resolution.merges)
    for workspace_id, chat_id, count in dropped:
        newest.recompute(tx, workspace_id, chat_id, fewer_unread=count)
    together = {(item[0], item[1]) for item in resolution.learned_lids}
    together |= {(merge.workspace_id, merge.winner) for merge in resolution.merges}
    for workspace_id, contact_id in sorted(together):
        changes.follow_person(tx, workspace_id, contact_id)


class Authors:
    """The identities under which messages of a batch may be stored, by what is known of their authors now."""

    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution

    def known(self, message: InboundMessage) -> Mapping[str, str]:
        """Return all that is known of the person on the other side, by kind of identifier."""
        peer = peer_of(message)
        if peer is None:
            return {}
        return self._resolution.identifiers[self._resolution.contact_ids[peer]]

    def identity(self, message: InboundMessage) -> Identity:
        """Return the canonical identity: the author is the LID where it is known, else the number."""
        return self.identities(message)[0]

    def identities(self, message: InboundMessage) -> tuple[Identity, ...]:
        """Return the canonical identity, and those under which the message was stored if less was known then."""
        key = (message.account_id, message.wa_message_id, message.from_me)
        if message.from_me:
            return ((*key, ""),)
        known = self.known(message)
        addresses = [message.author]
        if message.phone is not None:
            addresses.append(phone_address(message.phone))
        if "lid" in known and message.author.endswith(PHONE_SERVER):
            addresses.insert(0, lid_address(known["lid"]))
        if "phone" in known:
            addresses.append(phone_address(known["phone"]))
        return tuple((*key, address) for address in dict.fromkeys(addresses))


def phone_address(phone: str) -> str:
    """Return the address of a number (E.164 with plus)."""
    return f"{phone.removeprefix('+')}@{PHONE_SERVER}"


def lid_address(lid: str) -> str:
    """Return the address of a LID (digits)."""
    return f"{lid}@{LID_SERVER}"
