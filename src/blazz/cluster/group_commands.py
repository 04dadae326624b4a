"""What can be asked about groups of the instance that owns a session."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Protocol


class GroupCommands(Protocol):
    """The part of `SessionCommands` that is about groups; errors as told there."""

    async def ask_groups(self, account_id: uuid.UUID, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of the engine contract's service `Groups`; request and answer in protobuf's JSON form.

        The rooms above know the methods. Raises BlazzError also: `no_such_group` (404), `not_a_group_member`,
        `not_a_group_admin`, `invite_link_reset`, `invite_link_invalid`, `whatsapp_refused` (409).
        """
