"""The outbox: messages on their way out, claimed in order per chat, finished by a known outcome.

A row in state `sending` after a cut may have reached WhatsApp. It is sent again first, under the same id, with the
same bytes; only its own chat waits for it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import service as accounts
from blazz.events import Wakeups
from blazz.kit.db import Tx, Workspace, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import changes, kinds, repository
from blazz.messaging.kinds import MediaFacts, Outgoing, Quote, Uploaded
from blazz.messaging.model import STATE_ORDER

PER_CHAT = 16  # messages of one chat in one claim
_LOOKS = 32  # pages that one claim looks through for one account
_EXPIRED = "Not sent in time: the number was not connected."


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A claimed message. `payload` is None until its file is uploaded; `media_id` and `kind` tell what to upload."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    account_id: uuid.UUID
    chat_id: uuid.UUID
    message_id: uuid.UUID
    wa_message_id: str
    recipient: str
    payload: bytes | None
    media_id: uuid.UUID | None
    kind: str
    attempts: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SendResult:
    """The outcome of one attempt."""

    item: OutboxItem
    outcome: Literal["sent", "requeue", "unknown", "failed"]
    at: dt.datetime
    code: str | None = None
    detail: str | None = None

    @classmethod
    def sent(cls, item: OutboxItem, at: dt.datetime) -> Self:
        """The server acknowledged at `at`."""
        return cls(item, "sent", at)

    @classmethod
    def requeue(cls, item: OutboxItem, due_at: dt.datetime) -> Self:
        """Nothing left the machine: the attempt does not count; try again from `due_at` on."""
        return cls(item, "requeue", due_at)

    @classmethod
    def unknown(cls, item: OutboxItem, due_at: dt.datetime) -> Self:
        """It may be out: the same id again from `due_at` on, before anything else of its chat."""
        return cls(item, "unknown", due_at)

    @classmethod
    def failed(cls, item: OutboxItem, code: str, detail: str) -> Self:
        """Refused for good, with a stable code and a sentence."""
        return cls(item, "failed", utc_now(), code, detail)


def claim(
    tx: Tx,
    account_ids: Collection[uuid.UUID],
    limit: int,
    now: dt.datetime,
    *,
    busy_chats: Collection[uuid.UUID] = (),
) -> list[OutboxItem]:
    """Take due messages, the oldest first, in order per chat; they become `sending` in this unit.

    Of each chat not in `busy_chats` at most 16 are taken, and none behind one that is not due yet. Queued messages
    past their expiry become `failed: expired`; one whose outcome is unknown never expires.
    """
    selection = _Selection(now)
    workspaces = _workspaces(tx)
    rows = repository.outbox_rows(tx, workspaces, account_ids, busy_chats, limit * 2)
    if len(rows) < limit * 2:
        selection.take(rows, limit)
    else:
        # more waits than one look shows: every account has its share, so none stands behind another's backlog
        share = max(limit // len(account_ids), 1)
        for account_id in account_ids:
            _take_share(tx, workspaces, account_id, busy_chats, share, selection)
    if selection.claimed:
        repository.mark_sending(tx, selection.claimed)
    expire(tx, selection.expired, now)
    return [_item(row) for row in selection.claimed]


class _Selection:
    """What one claim takes: the head of each chat, as far as it is due."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._taken: dict[uuid.UUID, int] = defaultdict(int)
        self._blocked: set[uuid.UUID] = set()
        self.claimed: list[RowMapping] = []
        self.expired: list[RowMapping] = []

    def take(self, rows: Sequence[RowMapping], room: int) -> int:
        """Choose at most `room` of `rows`, which are in the order of their chats; returns how many."""
        count = 0
        for row in rows:
            chat_id = row["chat_id"]
            if row["state"] == "queued" and row["expires_at"] <= self._now:
                self.expired.append(row)
                continue
            if chat_id in self._blocked or count >= room:
                continue
            if row["due_at"] > self._now or self._taken[chat_id] >= PER_CHAT:
                self._blocked.add(chat_id)
                continue
            self._taken[chat_id] += 1
            self.claimed.append(row)
            count += 1
        return count


def _take_share(
    tx: Tx,
    workspaces: Collection[uuid.UUID],
    account_id: uuid.UUID,
    busy_chats: Collection[uuid.UUID],
    share: int,
    selection: _Selection,
) -> None:
    """Look further behind chats that wait or are long, so that they hold up nobody but themselves."""
    passed = set(busy_chats)
    window = share + 2 * PER_CHAT
    for _ in range(_LOOKS):
        rows = repository.outbox_rows(tx, workspaces, [account_id], passed, window)
        share -= selection.take(rows, share)
        if share <= 0 or len(rows) < window:
            return
        passed |= {row["chat_id"] for row in rows}


def expire(tx: Tx, rows: Sequence[RowMapping], now: dt.datetime) -> int:
    """Fail those of these rows that are still queued past their expiry; returns how many."""
    late = [row for row in rows if row["state"] == "queued" and row["expires_at"] <= now]
    _finish(tx, [(row, "failed", now, "expired", _EXPIRED) for row in late])
    return len(late)


def put_back(tx: Tx, items: Sequence[OutboxItem], due: Mapping[uuid.UUID, dt.datetime]) -> None:
    """Undo the claim of `items`: as if it had not been, but due only from the moment that `due` has for each id."""
    rows = [
        {
            "w": item.workspace_id,
            "i": item.id,
            "new_state": "sending" if item.attempts > 1 else "queued",
            "tries": item.attempts - 1,
            "due": due[item.id],
        }
        for item in items
    ]
    repository.requeue(tx, rows)


def fail(tx: Tx, rows: Sequence[RowMapping], code: str, detail: str) -> None:
    """Fail waiting messages for good."""
    now = utc_now()
    _finish(tx, [(row, "failed", now, code, detail) for row in rows])


def accounts_with_due(tx: Tx, now: dt.datetime) -> list[uuid.UUID]:
    """Return the accounts that have due messages (platform scope: an instance looks over all its sessions)."""
    return repository.accounts_with_due(tx, now)


def store_payload(tx: Tx, item: OutboxItem, payload: bytes) -> None:
    """Keep the exact bytes of a message whose file is uploaded now, before the first attempt."""
    repository.set_payload(tx, item.workspace_id, item.id, payload)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What must be known of a message to get what it waits for: `form` is what its file is made into."""

    body: str
    form: kinds.MediaTask | None


def unwritten(tx: Tx, item: OutboxItem) -> Unwritten:
    """Return what a message waits for. Raises LookupError when it is gone."""
    first = changes.before_changes(_message_of(tx, item))
    return Unwritten(first["body"] or "", first["content"].get("form"))


@dataclass(frozen=True, slots=True)
class LargePicture:
    """The large picture of a text's preview: our file, and what its upload gave."""

    media_id: uuid.UUID
    uploaded: Uploaded
    facts: MediaFacts


def encode_previewed(tx: Tx, item: OutboxItem, preview: Mapping[str, Any], large: LargePicture | None = None) -> bytes:
    """Keep the preview of a text (empty when there is none) and return the message's bytes.

    Raises LookupError when it is gone.
    """
    row = _message_of(tx, item)
    if row["deleted_at"] is None:
        content = {**row["content"], "preview": dict(preview)}
        columns = {"content": content, "media_id": large.media_id if large is not None else None}
        repository.change_message(tx, item.workspace_id, item.message_id, columns)
        if preview:
            data = {"message_id": str(item.message_id), "chat_id": str(item.chat_id)}
            events.append(tx, "message.updated", data, workspace_id=item.workspace_id, account_id=item.account_id)
    more = {"preview": dict(preview)}
    return _encode(tx, row, more) if large is None else _encode(tx, row, more, large.facts, large.uploaded)


def encode_uploaded(tx: Tx, item: OutboxItem, uploaded: Uploaded, facts: MediaFacts) -> bytes:
    """Return the bytes of a media message whose file was uploaded.

    Reads the message, so it needs a unit of work. Raises LookupError when it is gone.
    """
    return _encode(tx, _message_of(tx, item), {}, facts, uploaded)


def _message_of(tx: Tx, item: OutboxItem) -> RowMapping:
    row = repository.find_message(tx, item.workspace_id, item.message_id)
    if row is None:
        raise LookupError("the message is gone")
    return row


def _encode(
    tx: Tx, row: RowMapping, more: Mapping[str, Any], facts: MediaFacts | None = None, uploaded: Uploaded | None = None
) -> bytes:
    """Return the bytes of a message as it was first written: changes of it are sent after it, as what they are."""
    first, quoted = changes.before_changes(row), row["quoted_wa_message_id"]
    quote = quote_of(tx, row["workspace_id"], row["chat_id"], quoted) if quoted else None
    return kinds.encode(row["kind"], Outgoing(first["body"], {**first["content"], **more}, quote, facts, uploaded))


def quote_of(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, wa_message_id: str) -> Quote | None:
    """Return what a reply says of the message that it answers; None when the chat does not hold it."""
    row = repository.find_in_chat(tx, workspace_id, chat_id, wa_message_id)
    if row is None:
        return None
    author = row["author"] or accounts.own_address(tx, workspace_id, row["account_id"])
    return Quote(wa_message_id, author, row["body"] or "")


def record_results(tx: Tx, results: Sequence[SendResult]) -> None:
    """Write outcomes of many accounts in one unit; `message.status` tells what changed."""
    if not results:
        return
    rows = {row["id"]: row for row in repository.outbox_by_id(tx, _workspaces(tx), [r.item.id for r in results])}
    finished: list[tuple[RowMapping, str, dt.datetime, str | None, str | None]] = []
    again: list[dict[str, Any]] = []
    for result in results:
        row = rows.get(result.item.id)
        if row is None:
            continue  # recorded already: a result may be repeated after a failed commit
        if result.outcome in ("sent", "failed"):
            detail = result.detail[:255] if result.detail else None
            finished.append((row, result.outcome, result.at, result.code, detail))
        else:
            unknown = result.outcome == "unknown"
            again.append(
                {
                    "w": row["workspace_id"],
                    "i": row["id"],
                    "new_state": "sending" if unknown else "queued",
                    "tries": result.item.attempts if unknown else result.item.attempts - 1,
                    "due": result.at,
                }
            )
    _finish(tx, finished)
    repository.requeue(tx, again)


def _finish(tx: Tx, finished: Sequence[tuple[RowMapping, str, dt.datetime, str | None, str | None]]) -> None:
    if not finished:
        return
    found = {
        row["id"]: row
        for row in repository.find_messages(
            tx, {row["workspace_id"] for row, *_ in finished}, [row["message_id"] for row, *_ in finished]
        )
    }
    written: list[dict[str, Any]] = []
    ended: dict[str, list[RowMapping]] = {"sent": [], "failed": []}
    for row, state, at, code, detail in finished:
        message = found.get(row["message_id"])
        current = message["state"] if message is not None else "pending"
        # a receipt may have come before this acknowledgement was recorded: never backwards
        counts = current == "pending" or STATE_ORDER.get(state, -1) > STATE_ORDER.get(current, 0)
        if message is not None and (counts or state == "sent"):
            ended[state].append(message)
        sent = at if state == "sent" else None
        if counts and message is not None:
            written.append(repository.state_row(message, state, at, code, detail, sent=sent))
        elif message is not None and sent is not None:
            written.append(repository.state_row(message, current, message["state_at"], sent=sent))
        if counts:
            data: dict[str, Any] = {
                "message_id": str(row["message_id"]),
                "chat_id": str(row["chat_id"]),
                "state": state,
            }
            if code is not None:
                data["error"] = {"code": code, "message": detail}
            events.append(tx, "message.status", data, workspace_id=row["workspace_id"], account_id=row["account_id"])
    repository.set_states(tx, written)
    for state, messages in ended.items():
        changes.finished(tx, messages, state)
    repository.delete_outbox(tx, [row for row, *_ in finished])


def wake(tx: Tx, account_id: uuid.UUID) -> None:
    """Tell the owner of a session, after the commit, that something waits to be sent."""
    Wakeups.shared().notify_after_commit(tx, f"outbox:{account_id}")


def _workspaces(tx: Tx) -> list[uuid.UUID]:
    if isinstance(tx.scope, Workspace):
        return [tx.scope.id]
    if isinstance(tx.scope, Workspaces):
        return list(tx.scope.ids)
    raise TypeError("the outbox is claimed in units that are bound to workspaces")


def _item(row: RowMapping) -> OutboxItem:
    return OutboxItem(
        id=row["id"],
        workspace_id=row["workspace_id"],
        account_id=row["account_id"],
        chat_id=row["chat_id"],
        message_id=row["message_id"],
        wa_message_id=row["wa_message_id"],
        recipient=row["recipient"],
        payload=row["payload"],
        media_id=row["media_id"],
        kind=row["kind"],
        attempts=row["attempts"] + 1,
        created_at=row["created_at"],
    )
