"""Feeds: what is published for everybody who follows, that is status posts and channels.

They are stored only where the workspace wants them, as chats that nobody here writes to and nothing is unread in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, conflict
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


def read_only() -> BlazzError:
    """Return what is answered to somebody who would write to a feed."""
    return conflict("chat_read_only", "Status posts and channels are shown only: nobody can write to them here.")
