"""Status posts and channels: left out by default, and where they are wanted chats that one only reads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messaging.stage import Stage
from tests.support.app import problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
CHANNEL = "120363000000000002@newsletter"


def status(stage: Stage, body: str, **changes: Any) -> Any:
    """A status post of a customer."""
    return stage.inbound(body, **{"lid": "100000000000101", "chat": "status@broadcast", **changes})


def post(stage: Stage, body: str, **changes: Any) -> Any:
    """A post of a channel, which has no author but itself."""
    return stage.inbound(body, **{"phone": None, "chat": CHANNEL, "author": CHANNEL, "push_name": "", **changes})


async def want(stage: Stage, **settings: str) -> None:
    """Set what the workspace does with feeds."""
    answer = await stage.owner.patch(f"/workspaces/{stage.owner.workspace_id}", {"settings": settings})
    assert answer.status_code == 200, answer.text


async def chats(stage: Stage) -> dict[str, Any]:
    """Return the chats by kind."""
    return {chat["kind"]: chat for chat in (await stage.owner.get("/chats")).json()["data"]}


async def test_by_default_nothing_is_kept_of_feeds_and_the_rest_of_the_batch_is(stage: Stage) -> None:
    stored = await stage.deliver(status(stage, "my day"), stage.inbound("Hello"), post(stage, "news"))
    assert stored.stored == 1
    assert [row["body"] for row in await stage.rows()] == ["Hello"]
    assert set(await chats(stage)) == {"direct"}


async def test_each_kind_of_feed_has_a_setting_of_its_own(stage: Stage) -> None:
    await want(stage, inbound_channels="store")
    await stage.deliver(status(stage, "my day"), post(stage, "news"))
    assert set(await chats(stage)) == {"channel"}
    await want(stage, inbound_status="store", inbound_channels="ignore")
    await stage.deliver(status(stage, "my night"), post(stage, "more news"))
    assert [row["body"] for row in await stage.rows()] == ["news", "my night"]


async def test_feeds_are_shown_with_their_authors_and_nothing_in_them_is_unread(stage: Stage) -> None:
    await want(stage, inbound_status="store", inbound_channels="store")
    await stage.deliver(status(stage, "my day"), post(stage, "news"), status(stage, "again"))
    found = await chats(stage)
    assert set(found) == {"status", "channel"}
    assert {chat["unread_count"] for chat in found.values()} == {0}
    assert found["status"]["last_message"]["preview"] == "again"
    assert (await stage.owner.get("/chats", unread=True)).json()["data"] == []
    page = (await stage.owner.get(f"/chats/{found['status']['id']}/messages")).json()["data"]
    assert [message["sender"]["display_name"] for message in page] == ["Ayu", "Ayu"]
    told = (await stage.owner.get("/events", after=0)).json()["data"]
    kinds = [event["data"].get("chat_kind") for event in told if event["name"] == "message.received"]
    assert kinds == ["status", "channel", "status"]


async def test_a_post_that_comes_again_is_stored_once(stage: Stage) -> None:
    await want(stage, inbound_status="store", inbound_channels="store")
    news, day = post(stage, "news"), status(stage, "my day")
    await stage.deliver(news, day)
    await stage.deliver(news, day)
    assert [row["body"] for row in await stage.rows()] == ["news", "my day"]


async def test_a_status_that_could_not_be_read_is_put_in_when_it_comes_again(stage: Stage) -> None:
    await want(stage, inbound_status="store")
    broken = status(stage, "", raw=b"", undecryptable=True)
    await stage.deliver(broken)
    await stage.deliver(status(stage, "readable now", wa_message_id=broken.wa_message_id))
    assert [row["body"] for row in await stage.rows()] == ["readable now"]
    assert (await chats(stage))["status"]["unread_count"] == 0


async def test_nobody_can_write_to_a_feed(stage: Stage) -> None:
    await want(stage, inbound_status="store", inbound_channels="store")
    await stage.deliver(status(stage, "my day"), post(stage, "news"))
    found = await chats(stage)
    shown = await stage.rows()
    for to in ("status@broadcast", CHANNEL, *(chat["id"] for chat in found.values())):
        problem(await stage.send(to=to), 409, "chat_read_only")
    like = {"type": "reaction", "reaction": {"message_id": str(shown[0]["id"]), "emoji": "x"}}
    answer = await stage.owner.post("/messages", {"to": found["status"]["id"], **like})
    problem(answer, 409, "chat_read_only")
    for chat in found.values():
        problem(await stage.owner.post(f"/chats/{chat['id']}/typing", {"state": "composing"}), 409, "chat_read_only")
    assert len(await stage.rows()) == len(shown)


async def test_a_feed_is_archived_and_read_here_without_telling_the_phone(stage: Stage) -> None:
    await want(stage, inbound_channels="store")
    await stage.deliver(post(stage, "news"))
    chat = (await chats(stage))["channel"]
    changed = (await stage.owner.patch(f"/chats/{chat['id']}", {"archived": True})).json()
    assert changed["archived"] is True
    assert (await stage.owner.post(f"/chats/{chat['id']}/read")).status_code == 204
    assert (await stage.owner.post(f"/chats/{chat['id']}/watch")).status_code == 204
