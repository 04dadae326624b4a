"""Nobody waits behind somebody else's backlog, and the chat list follows the order of arrival."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from sqlalchemy import update

from blazz.kit.db import Tx, Workspace, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import expiry, outbox
from blazz.messaging.outbox import OutboxItem, SendResult
from blazz.messaging.tables import outbox as outbox_table
from tests.messaging.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


async def claim(stage: Stage, accounts: list[uuid.UUID], limit: int) -> list[OutboxItem]:
    scope = Workspaces.of([stage.owner.workspace_id])
    return await stage.owner.running.database.write(scope, outbox.claim, accounts, limit, utc_now())


async def queue(stage: Stage, count: int, to: str | None = None) -> None:
    for index in range(count):
        await stage.send(account_id=str(stage.account_id), to=to or f"+6281100002{index:02d}")


async def test_a_chat_that_waits_holds_up_no_other_chat_however_long_its_queue_is(stage: Stage) -> None:
    await queue(stage, 60, to="+628110000101")
    first = (await claim(stage, [stage.account_id], 1))[0]
    later = utc_now() + dt.timedelta(minutes=5)
    scope = Workspaces.of([stage.owner.workspace_id])
    database = stage.owner.running.database
    await database.write(scope, outbox.record_results, [SendResult.unknown(first, later)])
    await queue(stage, 1, to="+628110000102")
    items = await claim(stage, [stage.account_id], 2)
    assert [item.recipient for item in items] == ["628110000102@s.whatsapp.net"]


async def test_a_number_with_a_backlog_leaves_room_for_the_others(stage: Stage) -> None:
    other = await Stage.build(stage.owner, "Support")
    await queue(stage, 40)
    await queue(other, 3)
    accounts = [stage.account_id, other.account_id]
    items = await claim(stage, accounts, 8)
    assert len(items) <= 8
    assert sum(item.account_id == other.account_id for item in items) == 3
    assert sum(item.account_id == stage.account_id for item in items) == 4


async def test_one_claim_takes_no_more_than_sixteen_messages_of_a_chat(stage: Stage) -> None:
    await queue(stage, 20, to="+628110000101")
    assert len(await claim(stage, [stage.account_id], 256)) == 16


async def test_an_answer_within_the_same_second_is_the_newest_message_of_its_chat(stage: Stage) -> None:
    await stage.send(text={"body": "ours"})
    # WhatsApp's time stamps are whole seconds, and clocks differ
    await stage.deliver(stage.inbound("theirs", timestamp=utc_now() - dt.timedelta(seconds=3)))
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert chat["last_message"]["preview"] == "theirs"
    assert chat["unread_count"] == 1


async def test_a_message_of_a_number_that_stays_away_expires_all_the_same(stage: Stage) -> None:
    message = (await stage.send()).json()
    database = stage.owner.running.database
    assert await expiry.expire(database) == 0

    def age(tx: Tx) -> None:
        mine = outbox_table.c.workspace_id == tx.workspace_id
        tx.execute(update(outbox_table).where(mine).values(expires_at=utc_now() - dt.timedelta(seconds=1)))

    await database.write(Workspace(stage.owner.workspace_id), age)
    assert await expiry.expire(database) == 1
    shown = (await stage.owner.get(f"/messages/{message['id']}")).json()
    assert (shown["state"], shown["error"]["code"]) == ("failed", "expired")
    assert await claim(stage, [stage.account_id], 10) == []
