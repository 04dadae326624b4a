"""Parts of an instance that are woken at the very moment at which they are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database
from blazz.sessions.history import HistoryImports
from blazz.sessions.phone_requests import PhoneRequests
from blazz.sessions.registry import Registry
from tests.support.databases import migrated

pytestmark = pytest.mark.anyio
_TURNS = 4  # of the event loop, between which the cancellation can come


def phone_requests(database: Database) -> PhoneRequests:
    return PhoneRequests(database, Registry(), lambda: None)


def history_imports(database: Database) -> HistoryImports:
    return HistoryImports(database, Registry(), lambda: None, SecretBox(b"k" * 32), lambda _session: None)


@pytest.mark.parametrize("build", [phone_requests, history_imports])
async def test_a_part_that_is_woken_while_it_ends_ends_all_the_same(
    build: Callable[[Database], PhoneRequests | HistoryImports], tmp_path: Path
) -> None:
    database = Database.open(migrated(tmp_path / "blazz.db"))
    for turns in range(_TURNS):
        part = build(database)
        part.start()
        await asyncio.sleep(0.01)
        part.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        stopping = asyncio.create_task(part.stop())
        done, _ = await asyncio.wait([stopping], timeout=10)
        stopping.cancel()
        assert done, "the cancellation was lost"
    await database.close()
