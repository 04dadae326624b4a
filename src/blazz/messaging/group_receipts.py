"""How far our messages in groups got: counted per member, and a state only when it is true of all of them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.contacts.by_address import people_at
from blazz.kit.db import Tx
from blazz.kit.errors import not_found
from blazz.messaging import repository
from blazz.messaging.model import STATE_ORDER
from blazz.messaging.repository import group_messages
from blazz.messaging.schemas import ChatContact, MessageReceipts, ReceiptCounts, RecipientReceipt

RECIPIENTS = "recipients"
"""The flag of a message in a group: how many people it was sent to."""
_MAX_STEPS = 4_096  # of one message: more than 1,024 members with three steps each
_STATES = ("played", "read", "delivered")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a message's recipients it has reached, and how many there are (0 while that is not known)."""

    recipients: int
    delivered: int = 0
    read: int = 0
    played: int = 0

    @property
    def state(self) -> str:
        """Return the state that is true of all recipients."""
        reached = {"delivered": self.delivered, "read": self.read, "played": self.played}
        return next((state for state in _STATES if 0 < self.recipients <= reached[state]), "sent")

    def view(self) -> ReceiptCounts:
        return ReceiptCounts.model_construct(
            recipients=self.recipients, delivered=self.delivered, read=self.read, played=self.played
        )


def counts(tx: Tx, workspaces: Collection[uuid.UUID], message_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Counts]:
    """Return the counts of messages in groups, in two statements."""
    if not message_ids:
        return {}
    reached = group_messages.receipt_counts(tx, workspaces, message_ids)
    found: dict[uuid.UUID, Counts] = {}
    for row in group_messages.recipients_of(tx, workspaces, message_ids):
        told = reached.get(row["id"])
        delivered, read, played = (told["delivered"], told["read"], told["played"]) if told is not None else (0, 0, 0)
        sent_to = (row["flags"] or {}).get(RECIPIENTS) or max((row["member_count"] or 1) - 1, 0)
        found[row["id"]] = Counts(max(sent_to, delivered), delivered, read, played)
    return found


def advance(tx: Tx, rows: Mapping[uuid.UUID, RowMapping], at: dt.datetime) -> None:
    """Write the states of messages whose receipts were stored, and tell how many members they have reached."""
    if not rows:
        return
    workspaces = {row["workspace_id"] for row in rows.values()}
    changed = []
    for message_id, count in counts(tx, workspaces, rows).items():
        row = rows[message_id]
        state = row["state"]
        if STATE_ORDER[count.state] > STATE_ORDER.get(state, -1):
            state = count.state
            changed.append(repository.state_row(row, state, at))
        data: dict[str, Any] = {"message_id": str(message_id), "chat_id": str(row["chat_id"]), "state": state}
        data["receipts"] = count.view().model_dump()
        events.append(tx, "message.status", data, workspace_id=row["workspace_id"], account_id=row["account_id"])
    repository.set_states(tx, changed)


def list_receipts(tx: Tx, message_id: uuid.UUID) -> MessageReceipts:
    """Return who has received, read and played a message. Raises BlazzError `not_found`."""
    row = repository.find_message(tx, tx.workspace_id, message_id)
    if row is None:
        raise not_found("message")
    by_recipient: dict[str, dict[str, dt.datetime]] = {}
    for step in group_messages.receipts_of(tx, tx.workspace_id, message_id, _MAX_STEPS):
        by_recipient.setdefault(step["recipient"], {})[step["state"]] = step["at"]
    people = people_at(tx, tx.workspace_id, by_recipient)
    found = []
    for address, steps in by_recipient.items():
        read_at = steps.get("read") or steps.get("played")
        found.append(
            RecipientReceipt.model_construct(
                address=address,
                contact=ChatContact.of(people.get(address)),
                delivered_at=steps.get("delivered") or read_at,
                read_at=read_at,
                played_at=steps.get("played"),
            )
        )
    found.sort(key=lambda entry: (entry.read_at is None, entry.read_at or entry.delivered_at))
    total = counts(tx, [tx.workspace_id], [message_id]).get(message_id, Counts(0))
    return MessageReceipts.model_construct(sent_at=row["sent_at"], data=found, counts=total.view())
