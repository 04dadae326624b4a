"""A database server that is killed: what was acknowledged is there, callers hear quickly, and all goes on by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from blazz import events, migrations
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.postgres import PrivatePostgres
from tests.kit.servers import add_contact, names
from tests.support.rows import make_workspaces
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.database]


async def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "postgres")
    try:
        await asyncio.to_thread(migrations.upgrade, server.url)
        database = await Database.connect(server.url)
        places = await make_workspaces(database, 4)
        stored: set[str] = set()
        refused: list[str] = []
        codes: set[str] = set()
        slowest = 0.0
        done = False

        def work(tx: Tx, name: str) -> None:
            add_contact(tx, name, tx.workspace_id)
            events.append(tx, "contact.created", {"name": name})

        async def write(number: int) -> None:
            nonlocal slowest
            serial = 0
            while not done:
                serial += 1
                name = f"{number}-{serial}"
                began = time.monotonic()
                try:
                    await database.write(Workspace(places[number % 4]), work, name)
                    stored.add(name)
                except BlazzError as error:
                    refused.append(name)
                    codes.add(error.code)
                    await asyncio.sleep(0.02)
                slowest = max(slowest, time.monotonic() - began)

        writers = [asyncio.create_task(write(number)) for number in range(8)]
        await eventually(lambda: len(stored) > 40)
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        await eventually(lambda: len(refused) > 8, what="callers hear that the server is away")
        await server.restart()
        before = len(stored)
        await eventually(lambda: len(stored) > before + 40, what="work goes on by itself")
        done = True
        await asyncio.gather(*writers)
        found = await names(database)
        assert codes == {"database_unavailable"}
        assert stored <= found
        assert found - stored <= set(refused), "what was refused may have been stored: its outcome was not known"
        told: list[str] = []
        for place in places:
            page = await database.read(Workspace(place), events.read_after, place, 0, 100_000)
            assert [row.position for row in page.events] == list(range(1, page.head + 1))
            told += [row.data["name"] for row in page.events]
        assert sorted(told) == sorted(found), "every stored row is told once"
        assert slowest < 15
        await database.close()
    finally:
        await server.stop()
