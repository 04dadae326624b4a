"""Whether a command reached the right instance."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from blazz.cluster.commands import not_owner
from blazz.cluster.routing import owners
from blazz.kit.db import Database, Platform
from blazz.kit.errors import unavailable
from blazz.kit.signing import Receiver

_SCOPE = Platform("an instance looks whether it owns the session of a command")
_QUERY_S = 5.0


class OwnershipCheck:
    """Compares with what this instance runs, and with the database where that does not settle it.

    `epoch_here` returns the epoch under which a session runs here, None when it does not.
    """

    def __init__(self, database: Database, me: Receiver, epoch_here: Callable[[uuid.UUID], int | None]) -> None:
        self._database = database
        self._me = me
        self._epoch_here = epoch_here

    async def require(self, account_id: uuid.UUID, epoch: int | None, *, certain: bool) -> None:
        """Return when the session is ours. Raises BlazzError `not_owner` (409) with the present epoch.

        `epoch` is what the caller believes. `certain` asks the database in any case: for commands that change what
        runs. Others are believed when caller and registry agree; if both are late, the dead-man deadline keeps a
        former owner silent.
        """
        here = self._epoch_here(account_id)
        if not certain and here is not None and here == epoch:
            return
        try:
            async with asyncio.timeout(_QUERY_S):
                found = await self._database.read(_SCOPE, owners, [account_id])
        except TimeoutError:
            raise unavailable("database_unavailable", "The database does not tell who owns this number.") from None
        owner = found.get(account_id)
        if owner is None or owner.receiver != self._me:
            raise not_owner(account_id, here if owner is None else owner.epoch, self._me.generation)
