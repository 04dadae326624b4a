"""Messages that wait because WhatsApp forbids them for now: neither sent nor failed until the restriction ends.

A chat counts as new until the other side has written in it: WhatsApp lets a restricted number answer those who gave it
a token of trust, which people give by writing. A token lapses after about four weeks; a chat for which WhatsApp then
refuses a message waits like a new one.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from blazz.kit.db import Tx
from blazz.messaging import outbox
from blazz.messaging.outbox import OutboxItem
from blazz.messaging.repository import holding as repository

AFTER = dt.timedelta(hours=24)
"""A message that had to wait may wait at least this long again once it may be sent."""
_FAILED_AT_ONCE = 500


def take_back(
    tx: Tx, items: Sequence[OutboxItem], restricted: Mapping[uuid.UUID, dt.datetime]
) -> tuple[list[OutboxItem], int]:
    """Put claimed messages to new chats of restricted accounts back until their restriction ends.

    `restricted` has the ends by account. Returns what may be sent, and how many chats were put back.
    """
    concerned = {item.chat_id for item in items if item.account_id in restricted}
    if not concerned:
        return list(items), 0
    workspaces = {item.workspace_id for item in items}
    new = concerned - repository.established(tx, workspaces, concerned)
    held = [item for item in items if item.chat_id in new]
    ends = {item.chat_id: restricted[item.account_id] for item in held}
    outbox.put_back(tx, held, {item.id: ends[item.chat_id] for item in held})
    for end in set(ends.values()):
        repository.hold(tx, workspaces, [chat for chat in ends if ends[chat] == end], end)
    return [item for item in items if item.chat_id not in new], len(new)


def keep_waiting(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, until: dt.datetime) -> None:
    """Let no message of an account expire before it could be sent after `until`."""
    repository.extend(tx, workspace_id, account_id, until + AFTER)


def release(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, now: dt.datetime) -> None:
    """Let everything of an account be sent from now on."""
    repository.release(tx, workspace_id, account_id, now)
    outbox.wake(tx, account_id)


def fail_all(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, code: str, detail: str) -> bool:
    """Fail queued messages of an account for good, at most 500 in one unit; returns whether more are left."""
    rows = repository.queued(tx, workspace_id, account_id, _FAILED_AT_ONCE + 1)
    outbox.fail(tx, rows[:_FAILED_AT_ONCE], code, detail)
    return len(rows) > _FAILED_AT_ONCE
