"""What answers the commands of a gateway in tests of accounts: notes them, and fails as told."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from blazz.cluster import service as cluster
from blazz.cluster.commands import PairingCode, QrView
from blazz.cluster.pairing_commands import PasskeyView
from blazz.kit.db import Platform
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from tests.support.app import Running


class Sessions:
    """Stands for an instance with room, whose sessions do nothing by themselves."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.shown: dict[uuid.UUID, QrView] = {}
        self.passkeys: dict[uuid.UUID, PasskeyView] = {}
        self.failure: BlazzError | None = None

    @classmethod
    async def start(cls, running: Running, capacity: int = 10) -> Sessions:
        """Register an instance and answer the application's commands."""
        await running.database.write(
            Platform("test"), lambda tx: cluster.register(tx, cluster.Member("instance-0", capacity, "test"))
        )
        sessions = cls()
        running.app.state.commands = sessions
        return sessions

    async def connect(self, account_id: uuid.UUID, *, use_qr: bool = True) -> None:
        self._note("connect", account_id)

    async def disconnect(self, account_id: uuid.UUID) -> None:
        self._note("disconnect", account_id)

    async def log_out(self, account_id: uuid.UUID) -> None:
        self._note("log_out", account_id)

    async def pairing_code(self, account_id: uuid.UUID, phone: str) -> PairingCode:
        self._note("pairing_code", account_id, phone)
        return PairingCode("ABCD-EFGH", utc_now() + dt.timedelta(seconds=160))

    async def qr(self, account_id: uuid.UUID) -> QrView | None:
        return self.shown.get(account_id)

    async def passkey(self, account_id: uuid.UUID) -> PasskeyView | None:
        return self.passkeys.get(account_id)

    async def answer_passkey(self, account_id: uuid.UUID, credential: str) -> None:
        self._note("answer_passkey", account_id, credential)

    async def confirm_passkey(self, account_id: uuid.UUID) -> None:
        self._note("confirm_passkey", account_id)

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure
