"""Notices in a chat that nobody wrote: calls, changes of a group, of a security code, of a timer."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from blazz.kit.http import Model
from blazz.messaging.kinds.base import Kind, Row


class SystemPart(Model):
    """A notice. `event` names what happened; `data` holds what belongs to it."""

    event: str
    data: dict[str, Any] = Field(default_factory=dict)


class System(Kind):
    """Rows that are made by `notices.add`, or by kinds that change the chat."""

    name = "system"
    view = SystemPart
    quiet = True

    def show(self, row: Row, file: Any) -> SystemPart:
        content = row["content"]
        return SystemPart.model_construct(event=content.get("event", "notice"), data=content.get("data", {}))
