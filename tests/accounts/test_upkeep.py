"""Clean-up of numbers that nobody uses, and the health that is stored of all of them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from sqlalchemy import select, update

from blazz.accounts import cleanup
from blazz.accounts.tables import accounts as table
from blazz.kit.db import Workspace
from blazz.kit.time import utc_now
from blazz.messaging import activity
from blazz.messaging.tables import chats
from tests.cluster.conftest import stage as stage  # the fixture
from tests.cluster.stage import SCOPE, Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
DAY = dt.timedelta(days=1)


async def change(stage: Stage, account_id: uuid.UUID, **values: Any) -> None:
    await stage.database.write(
        SCOPE, lambda tx: tx.execute(update(table).where(table.c.id == account_id).values(**values))
    )


async def row(stage: Stage, account_id: uuid.UUID) -> Any:
    return await stage.database.read(SCOPE, lambda tx: tx.one(select(table).where(table.c.id == account_id)))


async def test_long_idle_numbers_give_their_place_back_once_and_ten_in_a_run(stage: Stage) -> None:
    await stage.join("a")
    workspace = await stage.workspace()
    now = utc_now()
    failed, fresh, away, silent = [await stage.session(workspace) for _ in range(4)]
    await change(stage, failed, status="failed", status_since=now - 1.1 * DAY)
    await change(stage, fresh, status="failed", status_since=now - 0.9 * DAY)
    await change(stage, away, status="disconnected", status_since=now - 3.1 * DAY)
    claim = {"status_since": now - 30 * DAY, "status_expires_at": now - 7.1 * DAY}
    await change(stage, silent, status="connected", **claim)
    planned = await cleanup.clean_up(stage.database, dry_run=True)
    assert {one.account_id for one in planned} == {failed, away, silent}
    assert (await stage.assignment(failed))["wanted"] == "running"
    done = await cleanup.clean_up(stage.database)
    assert done == planned
    for account in (failed, away, silent):
        assert (await stage.assignment(account))["wanted"] == "stopped"
        assert (await row(stage, account))["last_cleanup_at"] is not None
    assert (await row(stage, silent))["status"] == "disconnected"
    assert (await stage.assignment(fresh))["wanted"] == "running"
    # the silent one was disconnected by the clean-up itself and is not due again for days
    assert await cleanup.clean_up(stage.database) == []
    more = [await stage.session(workspace) for _ in range(12)]
    for account in more:
        await change(stage, account, status="failed", status_since=now - 2 * DAY)
    assert [len(await cleanup.clean_up(stage.database)) for _ in range(3)] == [10, 2, 0]


async def test_health_and_last_activity_are_stored(stage: Stage) -> None:
    await stage.join("a")
    workspace = await stage.workspace()
    busy, quiet = await stage.session(workspace), await stage.session(workspace)
    now = utc_now()
    for account in (busy, quiet):
        since = {"status_since": now - 2 * DAY, "connected_at": now - 2 * DAY, "status_expires_at": now + DAY}
        await change(stage, account, status="connected", **since)
    said = now - dt.timedelta(minutes=5)

    def write_chat(tx: Any) -> None:
        chat = {"id": uuid.UUID(int=3), "workspace_id": workspace, "account_id": busy, "kind": "group"}
        more = {"address": "1@g.us", "unread_count": 0, "last_message_at": said, "created_at": now}
        tx.execute(chats.insert(), {**chat, **more})

    await stage.database.write(Workspace(workspace), write_chat)
    assert await activity.refresh(stage.database) == 2
    found = await row(stage, busy)
    assert (found["health_score"], found["last_activity_at"]) == (100, said)
    assert (await row(stage, quiet))["health_score"] == 80
