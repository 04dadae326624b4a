"""Why a group cannot be written to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import RowMapping

from blazz.messaging.group_chats import Closed


def closed(group: Mapping[str, Any] | RowMapping) -> Closed | None:
    """Return why nobody of us can write to a group with these columns; None when we can."""
    if group["state"] != "member":
        return cast(Closed, group["state"])
    if group["suspended"]:
        return "suspended"
    return "announcement" if group["announcement"] and group["role"] == "member" else None
