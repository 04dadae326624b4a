"""Inviting people whom nobody may add: WhatsApp gives a code for each, which goes to them as a message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from blazz._generated.engine import groups_pb2 as pb
from blazz.contacts.peers import Peer
from blazz.groups import repository
from blazz.groups.facts import Person
from blazz.groups.schemas import Outcome
from blazz.groups.service import Target
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, not_found
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging import sending
from blazz.messaging.identities import learn
from blazz.messaging.schemas import SendMessage

_VALID = dt.timedelta(days=3)  # where WhatsApp does not say it; its own time


def send(
    tx: Tx, target: Target, reply: pb.ParticipantsReply, outcomes: Sequence[Outcome], sender: sending.Sender
) -> list[Outcome]:
    """Queue an invitation for everybody to whom WhatsApp lets us send one; returns the outcomes as they are then.

    One that cannot be queued leaves the others alone, and its outcome says why.
    """
    group = repository.find(tx, tx.workspace_id, target.group_id)
    if group is None:
        raise not_found("group")
    return [
        _invite(tx, target, group["subject"], entry, outcome, sender) if entry.invite_code else outcome
        for entry, outcome in zip(reply.outcomes, outcomes, strict=True)
    ]


def _invite(
    tx: Tx, target: Target, subject: str, entry: pb.ParticipantOutcome, outcome: Outcome, sender: sending.Sender
) -> Outcome:
    person = Person.of(entry.jid, entry.lid, entry.phone)
    if person is None:
        return outcome
    if person.phone and person.lid:
        learn(tx, [Peer(tx.workspace_id, person.phone, person.lid, reason="lookup")])
    until = from_unix_ms(entry.invite_expires_ms) if entry.invite_expires_ms else utc_now() + _VALID
    invitation = {"address": target.address, "code": entry.invite_code, "expires_at": until, "name": subject or "?"}
    request = SendMessage.model_validate(
        {"account_id": target.account_id, "to": person.address, "type": "group_invite", "group_invite": invitation}
    )
    try:
        queued = sending.send(tx, request, sender)
    except BlazzError as error:
        return outcome.model_copy(update={"message": error.detail})
    text = "This person lets nobody add them; they were sent an invitation."
    return outcome.model_copy(update={"code": "invited", "message": text, "invitation_id": queued.row["id"]})
