"""What a number does with calls: nobody takes them here, but they may be declined, with a text for the caller."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import repository
from blazz.kit.db import Tx
from blazz.kit.errors import not_found


@dataclass(frozen=True, slots=True)
class CallSettings:
    """`reject`: decline direct calls at once; `reply`: the text that the caller then gets now and then."""

    reject: bool = False
    reply: str | None = None

    @classmethod
    def of(cls, row: RowMapping | Mapping[str, Any]) -> CallSettings:
        """Return the settings of an account's row."""
        stored = row["call_settings"] or {}
        return cls(bool(stored.get("reject")), stored.get("reply") or None)


def settings_of(tx: Tx, account_id: uuid.UUID) -> CallSettings:
    """Return the settings of an account of this workspace; those of one that is gone decline nothing."""
    row = repository.find(tx, tx.workspace_id, account_id)
    return CallSettings() if row is None else CallSettings.of(row)


def change(tx: Tx, account_id: uuid.UUID, settings: CallSettings) -> None:
    """Store the settings of an account. Raises BlazzError `not_found`."""
    row = repository.find(tx, tx.workspace_id, account_id, for_update=True)
    if row is None:
        raise not_found("account")
    if CallSettings.of(row) == settings:
        return
    stored = {"reject": settings.reject, "reply": settings.reply}
    repository.change(tx, tx.workspace_id, account_id, {"call_settings": stored})
    data = {"account_id": str(account_id), "changed": ["calls"]}
    events.append(tx, "account.updated", data, account_id=account_id)
