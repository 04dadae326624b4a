"""SQL of what a number shares with its phone: labels, versions seen, requests to the phone."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, func, or_, select, update

from blazz.kit.db import Tx, insert_or_ignore, upsert
from blazz.messaging.state_tables import chat_labels, labels, phone_requests, state_seen
from blazz.messaging.tables import chats, messages

_SLOT = ("workspace_id", "account_id", "slot")
_LABEL = ("workspace_id", "account_id", "wa_label_id")
_COLLECTION = ("workspace_id", "account_id", "collection")


def put_request(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store a request; one that waits in the same slot is replaced, id and all, so that its end does not end this."""
    changed = ("id", "kind", "body", "attempts", "due_at", "created_at")
    tx.execute(upsert(tx.dialect, phone_requests, _SLOT, changed), dict(row))


def due_requests(tx: Tx, account_ids: Collection[uuid.UUID], now: dt.datetime, limit: int) -> Sequence[RowMapping]:
    """Return requests of these accounts that are due, oldest first."""
    return tx.all(
        select(phone_requests)
        .where(phone_requests.c.account_id.in_(list(account_ids)), phone_requests.c.due_at <= now)
        .order_by(phone_requests.c.created_at, phone_requests.c.id)
        .limit(limit)
    )


def delete_request(tx: Tx, workspace_id: uuid.UUID, request_id: uuid.UUID) -> None:
    """Remove a request that is done; a newer one in its slot stays."""
    own = (phone_requests.c.workspace_id == workspace_id, phone_requests.c.id == request_id)
    tx.execute(delete(phone_requests).where(*own))


def change_request(tx: Tx, workspace_id: uuid.UUID, request_id: uuid.UUID, values: Mapping[str, Any]) -> bool:
    """Update a request; False when it is gone, or a newer one has its slot."""
    own = (phone_requests.c.workspace_id == workspace_id, phone_requests.c.id == request_id)
    return bool(tx.execute(update(phone_requests).where(*own).values(**values)).rowcount)


def older_requests(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> Sequence[RowMapping]:
    """Return an account's requests for older messages, oldest first, at most 500."""
    statement = select(phone_requests).where(
        phone_requests.c.workspace_id == workspace_id,
        phone_requests.c.account_id == account_id,
        phone_requests.c.kind == "older",
    )
    return tx.all(statement.order_by(phone_requests.c.created_at, phone_requests.c.id).limit(500))


def find_request(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, slot: str) -> RowMapping | None:
    """Return the request in a slot."""
    return tx.one(
        select(phone_requests).where(
            phone_requests.c.workspace_id == workspace_id,
            phone_requests.c.account_id == account_id,
            phone_requests.c.slot == slot,
        )
    )


def waiting_slots(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, slots: Collection[str]) -> set[str]:
    """Return those of these slots in which a request waits."""
    statement = select(phone_requests.c.slot).where(
        phone_requests.c.workspace_id == workspace_id,
        phone_requests.c.account_id == account_id,
        phone_requests.c.slot.in_(list(slots)),
    )
    return set(tx.execute(statement).scalars())


def seen_versions(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> dict[str, int]:
    """Return up to which version each collection is stored here."""
    own = (state_seen.c.workspace_id == workspace_id, state_seen.c.account_id == account_id)
    return {row["collection"]: row["version"] for row in tx.all(select(state_seen).where(*own))}


def note_seen(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store how far a collection is."""
    tx.execute(upsert(tx.dialect, state_seen, _COLLECTION, ("version",)), dict(row))


def forget_seen(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Have every collection read anew."""
    own = (state_seen.c.workspace_id == workspace_id, state_seen.c.account_id == account_id)
    tx.execute(delete(state_seen).where(*own))


def all_labels(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID | None) -> Sequence[RowMapping]:
    """Return the labels of a workspace or one number, by name, with the number of chats that carry each."""
    uses = select(func.count()).where(
        chat_labels.c.workspace_id == labels.c.workspace_id, chat_labels.c.label_id == labels.c.id
    )
    statement = select(labels, uses.scalar_subquery().label("chats")).where(labels.c.workspace_id == workspace_id)
    if account_id is not None:
        statement = statement.where(labels.c.account_id == account_id)
    return tx.all(statement.order_by(labels.c.name, labels.c.id).limit(1000))


def put_label(tx: Tx, row: Mapping[str, Any]) -> None:
    """Insert a label, or change its name and colour."""
    tx.execute(upsert(tx.dialect, labels, _LABEL, ("name", "colour")), dict(row))


def delete_label(tx: Tx, workspace_id: uuid.UUID, label_id: uuid.UUID) -> None:
    """Remove a label from its chats and altogether."""
    tx.execute(delete(labels).where(labels.c.workspace_id == workspace_id, labels.c.id == label_id))


def labels_by_id(tx: Tx, workspace_id: uuid.UUID, label_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return labels by id."""
    own = (labels.c.workspace_id == workspace_id, labels.c.id.in_(list(label_ids)))
    return tx.all(select(labels).where(*own))


def labels_of_chats(tx: Tx, workspace_id: uuid.UUID, chat_ids: Collection[uuid.UUID]) -> Sequence[RowMapping]:
    """Return the labels of chats, as rows with `chat_id`, by name."""
    return tx.all(
        select(labels, chat_labels.c.chat_id)
        .join(
            chat_labels,
            (chat_labels.c.workspace_id == labels.c.workspace_id) & (chat_labels.c.label_id == labels.c.id),
        )
        .where(labels.c.workspace_id == workspace_id, chat_labels.c.chat_id.in_(list(chat_ids)))
        .order_by(labels.c.name, labels.c.id)
    )


def attach_label(tx: Tx, row: Mapping[str, Any]) -> None:
    """Put a label on a chat."""
    key = ("workspace_id", "chat_id", "label_id")
    tx.execute(insert_or_ignore(tx.dialect, chat_labels, key), dict(row))


def detach_label(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, label_id: uuid.UUID) -> None:
    """Take a label off a chat."""
    tx.execute(
        delete(chat_labels).where(
            chat_labels.c.workspace_id == workspace_id,
            chat_labels.c.chat_id == chat_id,
            chat_labels.c.label_id == label_id,
        )
    )


def chats_with_label(workspace_id: uuid.UUID, label_id: uuid.UUID) -> Any:
    """Return a SELECT of the ids of chats that carry a label."""
    return select(chat_labels.c.chat_id).where(
        chat_labels.c.workspace_id == workspace_id, chat_labels.c.label_id == label_id
    )


def chats_of(
    tx: Tx,
    workspace_id: uuid.UUID,
    account_id: uuid.UUID,
    contact_ids: Collection[uuid.UUID],
    addresses: Collection[str],
) -> Sequence[RowMapping]:
    """Return an account's chats with these people or addresses, and keep others from changing them meanwhile."""
    return tx.all(
        select(chats)
        .where(
            chats.c.workspace_id == workspace_id,
            chats.c.account_id == account_id,
            or_(chats.c.contact_id.in_(list(contact_ids)), chats.c.address.in_(list(addresses))),
        )
        .order_by(chats.c.id)
        .with_for_update(key_share=True)
    )


def messages_of_chats(
    tx: Tx, workspace_id: uuid.UUID, chat_ids: Collection[uuid.UUID], ids: Collection[str]
) -> Sequence[RowMapping]:
    """Return what settings may change of messages, by WhatsApp's ids."""
    columns = (messages.c.id, messages.c.workspace_id, messages.c.chat_id, messages.c.wa_message_id)
    return tx.all(
        select(*columns, messages.c.from_me, messages.c.starred_at, messages.c.hidden_at)
        .join(chats, (chats.c.workspace_id == messages.c.workspace_id) & (chats.c.id == messages.c.chat_id))
        .where(
            messages.c.workspace_id == workspace_id,
            messages.c.account_id == chats.c.account_id,
            messages.c.chat_id.in_(list(chat_ids)),
            messages.c.wa_message_id.in_(list(ids)),
        )
    )


def hide_until(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, until: dt.datetime, now: dt.datetime) -> None:
    """Hide a chat's messages up to a moment."""
    tx.execute(
        update(messages)
        .where(
            messages.c.workspace_id == workspace_id,
            messages.c.chat_id == chat_id,
            messages.c.timestamp <= until,
            messages.c.hidden_at.is_(None),
        )
        .values(hidden_at=now)
    )
