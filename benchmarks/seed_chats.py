"""Fill a workspace with chats, written into the stopped product's database as inbound traffic would leave it."""

from __future__ import annotations

import datetime as dt
import signal
import uuid
from typing import Any

from sqlalchemy import insert, select

from benchmarks.stand import Stand
from blazz.contacts.tables import contact_identifiers, contacts
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging.tables import chats, messages

_MESSAGES_OF_FIRST = 200
_FIRST = 20


async def seed_chats(built: Stand, count: int) -> None:
    """Create `count` chats with one message each, the newest 20 with 200 messages, and restart the product."""
    account = uuid.UUID((await built.api.json("POST", "/accounts", {"name": "Benchmark"}))["id"])
    workspace = uuid.UUID(built.workspace_id)
    await built.product.stop(signal.SIGTERM)
    database = Database.open(built.directory / "data" / "blazz.db")
    for first in range(0, count, 1000):
        indexes = range(first, min(count, first + 1000))
        await database.write(Workspace(workspace), _store, account, indexes, count)
    await database.close()
    await built.restart_product(signal.SIGTERM)


def _store(tx: Tx, account: uuid.UUID, indexes: range, count: int) -> None:
    rows: dict[str, list[dict[str, Any]]] = {"contacts": [], "identifiers": [], "chats": [], "messages": []}
    for index in indexes:
        _add(rows, tx.workspace_id, account, index, count)
    tx.execute(insert(contacts), rows["contacts"])
    tx.execute(insert(contact_identifiers), rows["identifiers"])
    tx.execute(insert(chats), rows["chats"])
    tx.execute(insert(messages), rows["messages"])
    tx.execute(select(chats.c.id).where(chats.c.workspace_id == tx.workspace_id).limit(1))


def _add(
    rows: dict[str, list[dict[str, Any]]], workspace: uuid.UUID, account: uuid.UUID, index: int, count: int
) -> None:
    now = utc_now()
    at = now - dt.timedelta(seconds=index)
    contact, chat = uuid7(), uuid7()
    base = {"workspace_id": workspace, "created_at": at}
    rows["contacts"].append({**base, "id": contact, "name": f"Customer {index}", "updated_at": at})
    identifier = {"contact_id": contact, "kind": "phone", "value": f"+62817{index:07d}"}
    rows["identifiers"].append({**base, "id": uuid7(), **identifier})
    last = uuid7()
    amount = _MESSAGES_OF_FIRST if index < _FIRST else 1
    for turn in range(amount):
        rows["messages"].append(
            {
                **base,
                "id": last if turn == amount - 1 else uuid7(),
                "account_id": account,
                "chat_id": chat,
                "position": index * _MESSAGES_OF_FIRST + turn + 1,
                "wa_message_id": f"SEED{index}X{turn}",
                "from_me": False,
                "author": f"62817{index:07d}@s.whatsapp.net",
                "kind": "text",
                "body": f"Hello, this is message {turn} of customer {index}.",
                "content": {},
                "state": "received",
                "state_at": at,
                "source": "customer",
                "timestamp": at,
            }
        )
    rows["chats"].append(
        {
            **base,
            "id": chat,
            "account_id": account,
            "kind": "direct",
            "contact_id": contact,
            "address": f"62817{index:07d}@s.whatsapp.net",
            "last_message_id": last,
            "last_message_at": at,
            "last_preview": f"Hello, this is message {amount - 1} of customer {index}.",
            "last_kind": "text",
            "last_from_me": False,
            "unread_count": index % 3,
        }
    )
