"""The list of chats and the pages of a chat."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from blazz.kit.time import utc_now
from tests.messaging.stage import Stage
from tests.support.app import Running, problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


async def fill(stage: Stage, count: int, **changes: Any) -> None:
    await stage.deliver(
        *(
            stage.inbound(f"from {n}", phone=f"+6281100003{n:02d}", push_name=f"Person {n}", **changes)
            for n in range(count)
        )
    )


async def walk(stage: Stage, path: str, limit: int) -> list[dict[str, Any]]:
    """All rows of a list, page by page."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = (await stage.owner.get(path, limit=limit, **({"cursor": cursor} if cursor else {}))).json()
        rows += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


async def test_pages_hold_every_chat_once_also_when_all_are_of_the_same_second(stage: Stage) -> None:
    await fill(stage, 13, timestamp=NOW)
    chats = await walk(stage, "/chats", 4)
    assert len(chats) == len({chat["id"] for chat in chats}) == 13


async def test_the_chat_with_the_latest_message_comes_first(stage: Stage) -> None:
    await fill(stage, 3)
    await stage.deliver(stage.inbound("again", phone="+628110000300", push_name="Person 0"))
    assert [c["contact"]["push_name"] for c in await walk(stage, "/chats", 50)] == ["Person 0", "Person 2", "Person 1"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("person 1", ["Person 1"]),
        ("FROM 2", ["Person 2"]),
        ("0000301", ["Person 1"]),
        ("nobody", []),
        ("%", []),
        ("_erson", []),
        ("\\", []),
        ("   ", ["Person 2", "Person 1", "Person 0"]),
    ],
)
async def test_chats_are_found_by_name_number_and_newest_text(stage: Stage, search: str, found: list[str]) -> None:
    await fill(stage, 3)
    chats = (await stage.owner.get("/chats", search=search)).json()["data"]
    assert [chat["contact"]["push_name"] for chat in chats] == found


async def test_the_list_can_be_narrowed_to_unread_chats_and_to_a_number(stage: Stage) -> None:
    await fill(stage, 2)
    other = await Stage.build(stage.owner, "Support")
    await other.deliver(other.inbound("elsewhere", phone="+628110000300"))
    chats = (await stage.owner.get("/chats", account_id=str(other.account_id))).json()["data"]
    assert [chat["last_message"]["preview"] for chat in chats] == ["elsewhere"]
    await stage.owner.post(f"/chats/{chats[0]['id']}/read")
    unread = (await stage.owner.get("/chats", unread="true")).json()["data"]
    assert sorted(chat["last_message"]["preview"] for chat in unread) == ["from 0", "from 1"]


async def test_a_chats_pages_go_back_to_its_first_message(stage: Stage) -> None:
    await stage.deliver(*(stage.inbound(f"{n}", timestamp=utc_now()) for n in range(11)))
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    messages = await walk(stage, f"/chats/{chat['id']}/messages", 4)
    assert [message["text"]["body"] for message in messages] == [f"{n}" for n in reversed(range(11))]


@pytest.mark.kind("typing", "api")
async def test_typing_in_a_chat_whose_number_is_not_running_is_no_error(stage: Stage) -> None:
    await fill(stage, 1)
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (await stage.owner.post(f"/chats/{chat['id']}/typing", {"state": "composing"})).status_code == 204
    problem(await stage.owner.post(f"/chats/{chat['id']}/typing", {"state": "singing"}), 422, "invalid_request")


async def test_chats_and_messages_of_another_workspace_do_not_exist(stage: Stage, running: Running) -> None:
    await fill(stage, 1)
    message = (await stage.send(to="+628110000300")).json()
    stranger = await running.stranger()
    assert (await stranger.get("/chats")).json()["data"] == []
    for path in (f"/chats/{message['chat_id']}", f"/chats/{message['chat_id']}/messages", f"/messages/{message['id']}"):
        problem(await stranger.get(path), 404, "not_found")
    for path in (f"/chats/{message['chat_id']}/read", f"/messages/{message['id']}/retry"):
        problem(await stranger.post(path), 404, "not_found")
    theirs = await Stage.build(stranger)
    problem(await theirs.send(to=message["chat_id"]), 404)
    problem(await theirs.send(account_id=str(stage.account_id)), 404)
    problem(await theirs.send(context={"message_id": message["id"]}), 422, "quote_not_in_chat")


async def test_a_key_needs_the_scope_of_what_it_does(stage: Stage) -> None:
    reader = await stage.owner.program("messages:read")
    assert (await reader.get("/api/v1/chats")).status_code == 200
    body = {"to": "+628110000101", "type": "text", "text": {"body": "Hello"}}
    problem(await reader.post("/api/v1/messages", json=body), 403, "scope_missing")
    writer = await stage.owner.program("messages:write")
    sent = await writer.post("/api/v1/messages", json=body)
    assert (sent.status_code, sent.json()["source"], sent.json()["sent_by"]) == (202, "api", None)
    problem(await writer.get("/api/v1/chats"), 403, "scope_missing")
