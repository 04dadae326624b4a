"""SQL of what customers see of numbers."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import RowMapping, select

from blazz.accounts.tables import account_profiles
from blazz.kit.db import Tx, upsert

_KEY = ["workspace_id", "account_id"]
_FACTS = ["about", "media_id", "picture_id", "checked_at"]


def find(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> RowMapping | None:
    """Return a number's profile as it was told last."""
    return tx.one(
        select(account_profiles).where(
            account_profiles.c.workspace_id == workspace_id, account_profiles.c.account_id == account_id
        )
    )


def save(tx: Tx, row: dict[str, Any]) -> None:
    """Write a number's profile."""
    tx.execute(upsert(tx.dialect, account_profiles, _KEY, _FACTS), row)
