"""Gateways and workers that are alive, for people and for upgrades. No decision about sessions rests on it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import socket
from dataclasses import dataclass
from typing import Literal

import structlog

from blazz import __version__
from blazz.cluster import repository
from blazz.cluster import repository_moves as store
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.ids import random_token
from blazz.kit.time import utc_now

_log = structlog.get_logger(__name__)
_SCOPE = Platform("a process says that it is alive")
_EVERY_S = 10.0
_LIVES = dt.timedelta(seconds=35)  # three signs of life may be missed
_FORGOTTEN = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LiveRole:
    """A process of the platform that was heard of lately."""

    id: str
    role: str
    host: str
    pid: int
    version: str
    started_at: dt.datetime
    renewed_at: dt.datetime


class SignOfLife:
    """Says regularly that this process runs; ends with `stop`."""

    def __init__(self, database: Database, role: Literal["gateway", "worker"]) -> None:
        self._database = database
        self._row = {
            "id": f"{role}-{random_token(6)}",
            "role": role,
            "host": socket.gethostname()[:128],
            "pid": os.getpid(),
            "version": __version__,
            "started_at": utc_now(),
        }
        self._task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The name of this process."""
        return str(self._row["id"])

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="sign-of-life")

    async def stop(self) -> None:
        """End, and be forgotten. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with contextlib.suppress(BlazzError, TimeoutError):
            async with asyncio.timeout(2):
                await self._database.write(_SCOPE, store.remove_process, self.id)

    async def _run(self) -> None:
        while True:
            try:
                await self._database.write(_SCOPE, self._sign)
            except BlazzError as error:
                _log.debug("sign of life not stored", error=str(error))
            await asyncio.sleep(_EVERY_S)

    def _sign(self, tx: Tx) -> None:
        now = utc_now()
        store.put_process(tx, {**self._row, "renewed_at": now})
        store.prune_processes(tx, now - _FORGOTTEN)


def live_roles(tx: Tx) -> list[LiveRole]:
    """Return gateways, workers and instances that were heard of lately, by role (platform scope)."""
    since = utc_now() - _LIVES
    found = [
        LiveRole(**{name: row[name] for name in LiveRole.__slots__})
        for row in store.processes(tx)
        if row["renewed_at"] >= since
    ]
    for row in repository.all_instances(tx):
        if row["state"] in ("healthy", "draining") and row["renewed_at"] >= since:
            names = [name for name in LiveRole.__slots__ if name != "role"]
            found.append(LiveRole(role="instance", **{name: row[name] for name in names}))
    return sorted(found, key=lambda one: (one.role, one.id))
