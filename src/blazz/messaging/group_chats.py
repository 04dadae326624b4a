"""Chats of groups, as far as the inbox needs to know the group: its name, its size, whether one can write to it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any, Literal

from blazz import events
from blazz.kit.db import Tx
from blazz.messaging import repository
from blazz.messaging.repository import ChatState, NewChat

Closed = Literal["left", "removed", "pending", "announcement", "suspended", "deleted"]
"""Why nobody of us can write to a group."""


def ensure(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, addresses: Collection[str]) -> dict[str, ChatState]:
    """Return the chats of groups by address; missing ones are made. They show in the inbox from their first message on,
    or from when `describe` says so."""
    wanted = {
        (workspace_id, account_id, address): NewChat(workspace_id, account_id, address, "group", None)
        for address in addresses
    }
    if not wanted:
        return {}
    found = repository.ensure_chats(tx, [workspace_id], {}, wanted)[1]
    return {address: chat for (_, _, address), chat in found.items()}


def known(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, addresses: Collection[str]) -> dict[str, uuid.UUID]:
    """Return the ids of those chats of groups that are here, by address."""
    rows = repository.find_chats(tx, [workspace_id], account_id, addresses)
    return {row["address"]: row["id"] for row in rows}


def describe(
    tx: Tx,
    workspace_id: uuid.UUID,
    chat_id: uuid.UUID,
    *,
    name: str,
    member_count: int | None,
    closed: Closed | None,
    shown_at: dt.datetime | None = None,
) -> None:
    """Write what the inbox shows of a group, if it is new. `shown_at` lets a chat without messages show, too."""
    row = repository.find_chat(tx, workspace_id, chat_id)
    if row is None:
        return
    wanted: dict[str, Any] = {"name": name[:128], "member_count": member_count, "closed": closed}
    changed = {column: value for column, value in wanted.items() if row[column] != value}
    if shown_at is not None and row["last_message_at"] is None:
        changed |= {"last_message_at": shown_at, "last_kind": "system", "last_preview": "", "last_from_me": False}
    if not changed:
        return
    repository.change_chat(tx, workspace_id, chat_id, changed)
    told = {column: value for column, value in changed.items() if column in wanted}
    events.append(
        tx,
        "chat.updated",
        {"chat_id": str(chat_id), **told},
        workspace_id=workspace_id,
        account_id=row["account_id"],
    )


def show_picture(tx: Tx, workspace_id: uuid.UUID, chat_id: uuid.UUID, media_id: uuid.UUID | None) -> bool:
    """Let a group's chat show another picture, or none; tells whether that is new."""
    row = repository.find_chat(tx, workspace_id, chat_id)
    if row is None or row["picture_id"] == media_id:
        return False
    repository.change_chat(tx, workspace_id, chat_id, {"picture_id": media_id})
    told = {"workspace_id": workspace_id, "account_id": row["account_id"]}
    events.append(tx, "chat.updated", {"chat_id": str(chat_id)}, **told)
    return True


__all__ = ["ChatState", "Closed", "describe", "ensure", "show_picture"]
