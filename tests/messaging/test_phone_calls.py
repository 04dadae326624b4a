"""Calls as the API shows them in a chat."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace

import pytest

from blazz.accounts.call_settings import CallSettings
from blazz.kit.db import Workspace
from blazz.kit.time import utc_now
from blazz.messaging import phone_calls
from blazz.messaging.phone_calls import CallNews, CallStored, Stage, Status
from tests.support.app import Person
from tests.support.filled import link

pytestmark = pytest.mark.anyio
CALLER = "111222333444555"
NO_SETTINGS = CallSettings()


async def number(owner: Person) -> uuid.UUID:
    account_id = uuid.UUID((await owner.post("/accounts", {})).json()["id"])
    await link(owner, account_id)
    return account_id


def offered(account_id: uuid.UUID, call_id: str = "C1") -> CallNews:
    author = f"{CALLER}@lid"
    return CallNews(account_id, call_id, "offered", author, "+628110000777", CALLER, "", True, "", utc_now())


async def store(owner: Person, news: CallNews, settings: CallSettings = NO_SETTINGS) -> CallStored | None:
    return await owner.running.database.write(Workspace(owner.workspace_id), phone_calls.store, news, settings)


@pytest.mark.kind("call", "api")
@pytest.mark.kind("system", "api")
@pytest.mark.every_database
async def test_a_call_stands_in_the_chat_of_its_caller(owner: Person) -> None:
    news = offered(await number(owner))
    stored = await store(owner, news)
    assert stored is not None
    await store(owner, news)  # delivered again
    await store(owner, replace(news, stage="terminated", reason="timeout"))
    (shown,) = (await owner.get(f"/chats/{stored.chat_id}/messages")).json()["data"]
    assert (shown["type"], shown["direction"]) == ("system", "inbound")
    assert shown["system"]["event"] == "call"
    data = shown["system"]["data"]
    assert (data["status"], data["video"], data["call_id"]) == ("missed", True, "C1")
    chat = (await owner.get(f"/chats/{stored.chat_id}")).json()
    assert chat["contact"]["phone"] == "+628110000777"
    assert chat["unread_count"] == 0


@pytest.mark.parametrize(
    ("stage", "reason", "status"),
    [
        ("terminated", "", "missed"),
        ("terminated", "accepted_elsewhere", "answered_elsewhere"),
        ("terminated", "rejected_elsewhere", "rejected"),
        ("accepted", "", "answered_elsewhere"),
        ("rejected", "", "rejected"),
    ],
)
async def test_an_end_without_a_beginning_is_noted_too(
    owner: Person, stage: Stage, reason: str, status: Status
) -> None:
    news = replace(offered(await number(owner)), stage=stage, reason=reason)
    stored = await store(owner, news)
    assert stored is not None
    assert stored.status == status


async def test_a_group_call_is_never_declined_and_shown_only_in_a_known_group(owner: Person) -> None:
    news = replace(offered(await number(owner)), group="120363000000000001@g.us")
    assert await store(owner, news, CallSettings(True, "No calls")) is None


async def test_an_old_offer_is_missed_and_not_declined(owner: Person) -> None:
    news = replace(offered(await number(owner)), at=utc_now() - dt.timedelta(minutes=5))
    stored = await store(owner, news, CallSettings(True, "No calls"))
    assert stored == CallStored(stored.chat_id if stored else uuid.uuid4(), "missed", False)


async def test_a_reply_goes_out_once_an_hour(owner: Person) -> None:
    account_id = await number(owner)
    settings = CallSettings(True, "Please write.")
    both = [await store(owner, offered(account_id, call_id), settings) for call_id in ("C1", "C2")]
    assert [one.reject for one in both if one is not None] == [True, True]
    assert both[0] is not None
    shown = (await owner.get(f"/chats/{both[0].chat_id}/messages")).json()["data"]
    assert [message["type"] for message in shown].count("text") == 1
    assert [message["type"] for message in shown].count("system") == 2
