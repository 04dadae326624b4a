"""Feeds: what is published for everybody who follows, that is status posts and channels.

They are stored only where the workspace wants them, as chats that nobody here writes to and nothing is unread in.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Literal

from sqlalchemy import RowMapping

from blazz import events
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, conflict
from blazz.messaging import repository
from blazz.messaging.model import PreparedMessage
from blazz.workspaces import service as workspaces

FeedKind = Literal["status", "channel"]
STATUS = "status@broadcast"
_CHANNEL = "@newsletter"


def feed_kind(address: str) -> FeedKind | None:
    """Return what kind of feed an address is; None for the chat of a person or group."""
    if address == STATUS:
        return "status"
    return "channel" if address.endswith(_CHANNEL) else None


def wanted(tx: Tx, batch: Sequence[PreparedMessage]) -> list[PreparedMessage]:
    """Leave out the posts of feeds that their workspace ignores; no statement where there is none."""
    kinds = [feed_kind(item.message.chat) for item in batch]
    posts = {item.message.workspace_id for item, kind in zip(batch, kinds, strict=True) if kind is not None}
    if not posts:
        return list(batch)
    stored = {
        workspace_id: {"status": settings.inbound_status == "store", "channel": settings.inbound_channels == "store"}
        for workspace_id, settings in workspaces.settings_of(tx, posts).items()
    }
    return [
        item
        for item, kind in zip(batch, kinds, strict=True)
        if kind is None or stored.get(item.message.workspace_id, {}).get(kind, False)
    ]


def nameless(tx: Tx, account_id: uuid.UUID, address: str) -> bool | None:
    """Tell whether a feed's chat lacks a name; None where it has no chat."""
    row = _chat(tx, account_id, address)
    return None if row is None else row["name"] is None


def name(tx: Tx, account_id: uuid.UUID, address: str, text: str) -> None:
    """Let the chat of a feed be called `text`."""
    row, text = _chat(tx, account_id, address), text.replace("\x00", "\ufffd").strip()[:128]
    if row is None or not text or row["name"] == text:
        return
    repository.change_chat(tx, tx.workspace_id, row["id"], {"name": text})
    events.append(tx, "chat.updated", {"chat_id": str(row["id"]), "name": text}, account_id=account_id)


def _chat(tx: Tx, account_id: uuid.UUID, address: str) -> RowMapping | None:
    found = repository.find_chats(tx, [tx.workspace_id], account_id, [address])
    return repository.find_chat(tx, tx.workspace_id, found[0]["id"]) if found else None


def read_only() -> BlazzError:
    """Return what is answered to somebody who would write to a feed."""
    return conflict("chat_read_only", "Status posts and channels are shown only: nobody can write to them here.")
