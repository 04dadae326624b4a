"""Pinned messages of a chat, wherever in its past they are."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from sqlalchemy import Select, update

from blazz.kit.db import Workspace
from blazz.kit.time import utc_now
from blazz.messaging.repository import pins
from blazz.messaging.tables import messages
from tests.messaging.stage import Stage
from tests.messaging.test_changes import first, send, target
from tests.messaging.test_plans import plan
from tests.support.app import Person, problem

pytestmark = pytest.mark.anyio


async def pinned(stage: Stage, chat_id: str) -> list[str]:
    answer = await stage.owner.get(f"/chats/{chat_id}/pinned")
    assert answer.status_code == 200, answer.text
    return [message["text"]["body"] for message in answer.json()["data"]]


async def test_pinned_messages_are_those_of_the_chat_until_they_are_unpinned(stage: Stage) -> None:
    await stage.deliver(first(stage))
    row = await target(stage)
    chat_id = str(row["chat_id"])
    assert await pinned(stage, chat_id) == []

    await send(stage, "pin", {"message_id": str(row["id"])})
    assert await pinned(stage, chat_id) == ["first"]
    await send(stage, "pin", {"message_id": str(row["id"]), "pinned": False})
    assert await pinned(stage, chat_id) == []


@pytest.mark.every_database
async def test_a_pin_ends_and_does_not_show_what_was_hidden(stage: Stage) -> None:
    await stage.deliver(first(stage), stage.inbound("second", wa_message_id="3ASECOND"))
    row, second = await target(stage), await target(stage, "3ASECOND")
    for one in (row, second):
        await send(stage, "pin", {"message_id": str(one["id"])})
    assert await pinned(stage, str(row["chat_id"])) == ["second", "first"]

    await send(stage, "delete", {"message_id": str(second["id"]), "for": "me"})
    assert await pinned(stage, str(row["chat_id"])) == ["first"]
    await _end_pins(stage)
    assert await pinned(stage, str(row["chat_id"])) == []


async def test_a_chat_that_is_not_there_has_none(stage: Stage) -> None:
    answer = await stage.owner.get("/chats/01900000-0000-7000-8000-000000000000/pinned")
    problem(answer, 404, "not_found")


def test_pins_are_found_by_their_index(owner: Person) -> None:
    seen: list[str] = []

    class Planner:
        """Stands where a unit of work would: plans instead of reading."""

        def all(self, statement: Select[Any]) -> list[Any]:
            seen.append(plan(owner, statement, {}))
            return []

    pins.pinned(Planner(), owner.workspace_id, uuid.uuid4(), utc_now(), 20)  # type: ignore[arg-type]
    assert "ix_messages_pinned" in seen[0]


async def _end_pins(stage: Stage) -> None:
    def work(tx: Any) -> None:
        over = utc_now() - dt.timedelta(seconds=1)
        tx.execute(update(messages).where(messages.c.workspace_id == tx.workspace_id).values(pinned_until=over))

    await stage.owner.running.database.write(Workspace(stage.owner.workspace_id), work)
