"""What a number's phone and other devices shall be told or asked: kept until it is done, also while not connected.

A request stands in a slot (`archive` of one chat, the older messages of one chat); a newer one takes its place. One
for older messages stands there until the phone has answered: it is asked a few times, then people are told.
"""

from __future__ import annotations

import datetime as dt
import uuid
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz import events
from blazz._generated.wa.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionValue
from blazz.events import Wakeups
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging.history_model import FOREVER
from blazz.messaging.repository import state as sql

TOPIC = "phone-requests:"
"""Topic of wake-ups, followed by the account's id."""
GIVE_UP_AFTER = 20  # attempts while connected
_AGAIN_MAX_S = 3600.0
ANSWER_WITHIN_S = (20.0, 60.0, 180.0)
"""How long each asking for older messages waits for its answer. A phone that is on takes a few seconds; one that is off
gets the question as soon as it is on again."""
Kind = Literal["state", "older"]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One setting to write: its index, WhatsApp's schema version of its kind, the value."""

    index: tuple[str, ...]
    version: int
    value: SyncActionValue


@dataclass(frozen=True, slots=True)
class PhoneRequest:
    """A request that is due. `body` is JSON: collection and mutations, or what to ask for."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    account_id: uuid.UUID
    kind: Kind
    body: dict[str, Any]
    attempts: int

    @property
    def asked(self) -> list[str]:
        """The ids of the messages that have asked the phone."""
        return list(self.body.get("asked", ()))

    @property
    def is_exhausted(self) -> bool:
        """Whether the phone was asked as often as it is asked, and had its time to answer."""
        return len(self.asked) >= len(ANSWER_WITHIN_S)


def write_state(tx: Tx, account_id: uuid.UUID, collection: str, mutations: Sequence[Mutation]) -> None:
    """Have settings of one collection written; those of one call are one change on all devices."""
    body = {
        "collection": collection,
        "mutations": [
            {
                "index": list(one.index),
                "version": one.version,
                "value": b64encode(one.value.SerializeToString()).decode(),
            }
            for one in mutations
        ],
    }
    _put(tx, account_id, "state", slot_of(mutations[0].index), body)


def ask_older(tx: Tx, account_id: uuid.UUID, chat_id: uuid.UUID, body: dict[str, Any]) -> None:
    """Have the phone asked for older messages of a chat."""
    _put(tx, account_id, "older", _older_slot(chat_id), {**body, "chat_id": str(chat_id)})


def slot_of(index: Sequence[str]) -> str:
    """Return the slot of a setting. Ids of messages and chats are short; the slot is cut at 190 characters."""
    return " ".join(index)[:190]


def waiting(tx: Tx, account_id: uuid.UUID, indexes: Collection[Sequence[str]]) -> set[str]:
    """Return the slots of those of these settings that we are about to write: what others say of them is older."""
    return sql.waiting_slots(tx, tx.workspace_id, account_id, {slot_of(index) for index in indexes})


def due(tx: Tx, account_ids: Collection[uuid.UUID], now: dt.datetime, limit: int) -> list[PhoneRequest]:
    """Return requests of these accounts that are due (platform scope), oldest first."""
    return [
        PhoneRequest(row["id"], row["workspace_id"], row["account_id"], row["kind"], row["body"], row["attempts"])
        for row in (sql.due_requests(tx, account_ids, now, limit) if account_ids else ())
    ]


def done(tx: Tx, request: PhoneRequest) -> None:
    """Remove a request."""
    sql.delete_request(tx, request.workspace_id, request.id)


def again(tx: Tx, request: PhoneRequest) -> bool:
    """Let a request be tried again after a growing pause; False when it is given up."""
    attempts = request.attempts + 1
    if attempts >= GIVE_UP_AFTER:
        if request.kind == "older":
            unanswered(tx, request)
        else:
            done(tx, request)
        return False
    pause = dt.timedelta(seconds=min(2.0 ** (attempts - 1), _AGAIN_MAX_S))
    sql.change_request(tx, request.workspace_id, request.id, {"attempts": attempts, "due_at": utc_now() + pause})
    return True


def asked(tx: Tx, request: PhoneRequest, message_id: str) -> None:
    """Note that the phone was asked by a message of this id, and wait for its answer."""
    body = {**request.body, "asked": [*request.asked, message_id]}
    due_at = utc_now() + dt.timedelta(seconds=ANSWER_WITHIN_S[len(request.asked)])
    sql.change_request(tx, request.workspace_id, request.id, {"body": body, "attempts": 0, "due_at": due_at})


def unanswered(tx: Tx, request: PhoneRequest) -> None:
    """Note that the phone was asked often enough, and tell people. An answer may come yet, when the phone is on."""
    values = {"body": {**request.body, "unanswered": True}, "due_at": FOREVER}
    if sql.change_request(tx, request.workspace_id, request.id, values):
        data = {"on_demand": True, "unanswered": True, "chat_ids": [request.body["chat_id"]]}
        events.append(tx, "history.progress", data, workspace_id=request.workspace_id, account_id=request.account_id)


def answered(tx: Tx, account_id: uuid.UUID, message_id: str) -> None:
    """Remove the request that a message of this id has asked; the oldest one that was asked for an empty id."""
    for row in sql.older_requests(tx, tx.workspace_id, account_id):
        known = row["body"].get("asked", ())
        if known and (message_id in known or not message_id):
            sql.delete_request(tx, tx.workspace_id, row["id"])
            return


def older_request(tx: Tx, account_id: uuid.UUID, chat_id: uuid.UUID) -> RowMapping | None:
    """Return what stands of a chat's older messages: its row; None when the phone owes no answer."""
    return sql.find_request(tx, tx.workspace_id, account_id, _older_slot(chat_id))


def _older_slot(chat_id: uuid.UUID) -> str:
    return f"older {chat_id}"


def _put(tx: Tx, account_id: uuid.UUID, kind: Kind, slot: str, body: dict[str, Any]) -> None:
    now = utc_now()
    sql.put_request(
        tx,
        {
            "id": uuid7(),
            "workspace_id": tx.workspace_id,
            "account_id": account_id,
            "kind": kind,
            "slot": slot,
            "body": body,
            "attempts": 0,
            "due_at": now,
            "created_at": now,
        },
    )
    Wakeups.shared().notify_after_commit(tx, f"{TOPIC}{account_id}")
