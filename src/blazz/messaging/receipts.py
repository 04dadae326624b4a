"""Storing receipts: how far our messages got, and what another device of ours has read. States never go backwards."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.contacts.by_address import canonical
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import group_receipts, repository
from blazz.messaging.addresses import is_group
from blazz.messaging.model import STATE_ORDER, InboundReceipt


def store_receipts(tx: Tx, batch: Sequence[InboundReceipt]) -> None:
    """Apply a batch. A receipt for a message that we do not know changes nothing.

    A receipt may come before the server's acknowledgement was recorded: it counts then too.
    """
    if not batch:
        return
    workspaces = {receipt.workspace_id for receipt in batch}
    # of a group's members each is counted once, whatever address a receipt names
    numbers = {receipt.author for receipt in batch if is_group(receipt.chat)}
    lids = canonical(tx, workspaces, numbers) if numbers else {}
    ids = {wa_id for receipt in batch for wa_id in receipt.wa_message_ids}
    rows = repository.find_messages_by_wa_id(tx, workspaces, {receipt.account_id for receipt in batch}, ids)
    by_id: dict[tuple[uuid.UUID, str], list[RowMapping]] = {}
    for row in rows:
        by_id.setdefault((row["account_id"], row["wa_message_id"]), []).append(row)
    reached: dict[uuid.UUID, tuple[RowMapping, str, dt.datetime]] = {}
    in_groups: dict[uuid.UUID, RowMapping] = {}
    steps: list[dict[str, Any]] = []
    read_chats: dict[uuid.UUID, RowMapping] = {}
    for receipt in batch:
        for wa_id in receipt.wa_message_ids:
            for row in by_id.get((receipt.account_id, wa_id), ()):
                if row["from_me"] and not receipt.from_me:
                    if is_group(receipt.chat):
                        in_groups[row["id"]] = row
                    else:
                        _reach(reached, row, receipt.state, receipt.at)
                    reader = lids.get((receipt.workspace_id, receipt.author), receipt.author)
                    steps.append(_step(row, receipt, reader))
                elif not row["from_me"] and receipt.from_me and receipt.state != "delivered":
                    known = read_chats.get(row["chat_id"])
                    if known is None or _place(known) < _place(row):
                        read_chats[row["chat_id"]] = row
    repository.add_receipts(tx, steps)
    _write_states(tx, reached)
    group_receipts.advance(tx, in_groups, utc_now())
    for row in read_chats.values():
        _read_elsewhere(tx, row)


def _place(row: RowMapping) -> tuple[int, int]:
    """Return where a message stands in its chat."""
    return row["position"], row["history_rank"]


def _reach(
    reached: dict[uuid.UUID, tuple[RowMapping, str, dt.datetime]], row: RowMapping, state: str, at: dt.datetime
) -> None:
    current = reached[row["id"]][1] if row["id"] in reached else row["state"]
    # a message given up as failed that reaches the phone after all was not lost: the later truth wins
    if STATE_ORDER.get(current, -1) < STATE_ORDER[state]:
        reached[row["id"]] = (row, state, at)


def _step(row: RowMapping, receipt: InboundReceipt, reader: str) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "workspace_id": row["workspace_id"],
        "message_id": row["id"],
        "recipient": reader[:64],
        "state": receipt.state,
        "at": receipt.at,
    }


def _write_states(tx: Tx, reached: dict[uuid.UUID, tuple[RowMapping, str, dt.datetime]]) -> None:
    repository.set_states(tx, [repository.state_row(row, state, at) for row, state, at in reached.values()])
    for row, state, _ in reached.values():
        events.append(
            tx,
            "message.status",
            {"message_id": str(row["id"]), "chat_id": str(row["chat_id"]), "state": state},
            workspace_id=row["workspace_id"],
            account_id=row["account_id"],
        )


def _read_elsewhere(tx: Tx, row: RowMapping) -> None:
    """Somebody read on the phone: what lies up to that message is not unread any more."""
    unread = repository.count_inbound_after(tx, row["workspace_id"], row["chat_id"], *_place(row))
    chat = repository.find_chat(tx, row["workspace_id"], row["chat_id"])
    if chat is None or chat["unread_count"] <= unread:
        return
    repository.change_chat(tx, row["workspace_id"], row["chat_id"], {"unread_count": unread})
    events.append(
        tx,
        "chat.updated",
        {"chat_id": str(row["chat_id"]), "unread_count": unread},
        workspace_id=row["workspace_id"],
        account_id=row["account_id"],
    )
