"""The event stream: resuming, fan-out, refusals, heartbeat, slow readers, ephemeral events."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from starlette.websockets import WebSocket

from blazz import events
from blazz.events import retention
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.kit.db import Tx, Workspace
from blazz.realtime import hub as hub_module
from blazz.realtime import socket as socket_module
from tests.support.app import Person, Running, problem
from tests.support.server import Follower, serve
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


@dataclass
class Stand:
    """A served application with a key that may read events."""

    running: Running
    owner: Person
    place: str
    key: str

    async def append(self, count: int = 1, workspace_id: uuid.UUID | None = None) -> None:
        """Append events in one unit."""
        workspace = workspace_id or self.owner.workspace_id

        def work(tx: Tx) -> None:
            for _ in range(count):
                events.append(tx, "contact.updated", {"contact_id": "x"})

        await self.running.database.write(Workspace(workspace), work)

    def follow(self, query: str = "", key: str | None = None) -> contextlib.AbstractAsyncContextManager[Follower]:
        return Follower.open(self.place, key or self.key, query)


@pytest.fixture
async def stand(running: Running, owner: Person) -> AsyncIterator[Stand]:
    async with serve(running) as place:
        yield Stand(running, owner, place, await owner.key("events:read"))


async def test_events_arrive_in_order_and_only_new_ones_without_a_position(stand: Stand) -> None:
    await stand.append(3)
    async with stand.follow() as follower:
        assert await follower.frame() == {"type": "ready", "head": 3}
        await stand.append(2)
        first = await follower.frame()
        assert first["event"]["position"] == 4
        assert set(first["event"]) == {"id", "position", "name", "occurred_at", "account_id", "data"}
        assert await follower.positions(1) == [5]
    page = (await stand.owner.get("/events", after=3)).json()
    assert [item["position"] for item in page["data"]] == [4, 5]
    assert page["data"][0] == first["event"], "the log and the stream show the same event"
    assert page["head"] == 5


async def test_resuming_while_others_write_misses_nothing_and_repeats_nothing(stand: Stand) -> None:
    total, seen = 400, 0

    async def write() -> None:
        for _ in range(total // 4):
            await stand.append(4)

    writing = asyncio.create_task(write())
    while seen < total:
        async with stand.follow(f"?after={seen}") as follower:
            take = min(37, total - seen)
            assert await follower.positions(take) == list(range(seen + 1, seen + take + 1))
            seen += take
    await writing


async def test_a_gap_in_what_the_reader_pushed_is_read_from_the_log(stand: Stand) -> None:
    async with stand.follow() as follower:
        await follower.frame()
        stand.running.app.state.hub._feeds[stand.owner.workspace_id].position += 2
        await stand.append(3)
        assert await follower.positions(3) == [1, 2, 3]


async def test_one_reader_serves_many_sockets(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    original = hub_module.Feed.read

    async def counted(self: hub_module.Feed, after: int) -> object:
        nonlocal reads
        reads += 1
        return await original(self, after)

    monkeypatch.setattr(hub_module.Feed, "read", counted)
    async with contextlib.AsyncExitStack() as stack:
        followers = [await stack.enter_async_context(stand.follow()) for _ in range(20)]
        for follower in followers:
            assert (await follower.frame())["type"] == "ready"
        before = reads
        for _ in range(5):
            await stand.append()
        for follower in followers:
            assert await follower.positions(5) == [1, 2, 3, 4, 5]
        assert reads - before <= 12, "not one read per socket"
    assert stand.running.app.state.hub.sockets <= 20


async def test_events_arrive_by_polling_when_no_wakeup_comes(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events.Wakeups, "notify", lambda self, topic, forward=True: None)
    async with stand.follow() as follower:
        assert (await follower.frame())["type"] == "ready"
        await stand.append(2)
        assert await follower.positions(2) == [1, 2]


async def test_workspaces_do_not_hear_each_other(stand: Stand, running: Running) -> None:
    stranger = await running.stranger()
    other_key = await stranger.key("events:read")
    async with stand.follow() as mine, stand.follow(key=other_key) as other:
        assert (await mine.frame())["type"] == (await other.frame())["type"] == "ready"
        await stand.append(workspace_id=stranger.workspace_id)
        await stand.append()
        assert (await other.frame())["event"]["position"] == 1
        own = (await mine.frame())["event"]
    assert own["id"] == (await stand.owner.get("/events")).json()["data"][0]["id"]


async def test_ephemeral_events_have_no_position_and_are_not_stored(stand: Stand) -> None:
    async with stand.follow() as follower:
        await follower.frame()
        Ephemerals.shared().publish(EphemeralEvent(stand.owner.workspace_id, "typing", None, {"chat_id": "c"}))
        frame = await follower.frame()
    assert frame == {"type": "ephemeral", "event": {"name": "typing", "account_id": None, "data": {"chat_id": "c"}}}
    assert (await stand.owner.get("/events")).json()["data"] == []


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    ("query", "code"), [("?after=-1", 4400), ("?after=x", 4400), ("?workspace=x", 4400), ("?after=99", 4410)]
)
async def test_bad_positions_are_refused_with_a_code(stand: Stand, query: str, code: int) -> None:
    async with stand.follow(query) as follower:
        assert await follower.close_code() == code


async def test_position_beyond_retention_is_refused_with_the_oldest(stand: Stand) -> None:
    await stand.append(10)
    assert await retention.prune(stand.running.database, -1) == 10
    await stand.append(2)
    async with stand.follow("?after=3") as follower:
        assert await follower.close_code() == 4410
    document = problem(await stand.owner.get("/events", after=3), 410, "position_expired")
    assert document["oldest"] == 11
    async with stand.follow("?after=10") as follower:
        assert await follower.positions(2) == [11, 12]


async def test_nobody_unknown_and_no_other_site_may_listen(stand: Stand) -> None:
    async with Follower.open(stand.place) as follower:
        assert await follower.close_code() == 4401
    async with stand.follow(key="blz_wrong") as follower:
        assert await follower.close_code() == 4401
    async with stand.follow(key=await stand.owner.key("contacts:read")) as follower:
        assert await follower.close_code() == 4403
    cookies = "; ".join(f"{name}={value}" for name, value in stand.owner.browser.cookies.items())
    for origin in ("https://evil.example", "null", f"http://{stand.place}1", "http://127.0.0.1.evil.example"):
        async with Follower.open(stand.place, Cookie=cookies, Origin=origin) as follower:
            assert await follower.close_code() == 4403
    async with Follower.open(stand.place, Cookie=cookies, Origin=f"http://{stand.place}") as follower:
        assert (await follower.frame())["type"] == "ready"


async def test_listener_is_ended_when_its_right_ends(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module.EventSocket.__init__, "__kwdefaults__", {"ping_s": 0.05, "pong_timeout_s": 9.0})
    async with stand.follow() as follower:
        await follower.frame()
        for item in (await stand.owner.get("/api-keys")).json()["data"]:
            await stand.owner.delete(f"/api-keys/{item['id']}")
        assert await follower.close_code() == 4401


async def test_silent_listener_is_closed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module.EventSocket.__init__, "__kwdefaults__", {"ping_s": 0.05, "pong_timeout_s": 0.2})
    async with stand.follow() as follower:
        assert await follower.close_code() == 4408


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize("text", ["x", "[]", '{"type":"event"}', "[" * 5000, b"bytes"])
async def test_frames_that_are_no_pong_are_refused(stand: Stand, text: str | bytes) -> None:
    async with stand.follow() as follower:
        await follower.frame()
        await follower.socket.send(text)
        assert await follower.close_code() == 4400


async def test_slow_reader_is_dropped_with_a_code_and_others_go_on(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    original = WebSocket.send_text
    slow: list[object] = []

    async def send_text(self: WebSocket, data: str) -> None:
        if slow and slow[0] is self and '"event"' in data:
            await gate.wait()
        if not slow:
            slow.append(self)
        await original(self, data)

    monkeypatch.setattr(WebSocket, "send_text", send_text)
    async with stand.follow() as blocked:
        assert (await blocked.frame())["type"] == "ready"  # the first to send is the one that will be slow
        async with stand.follow() as quick:
            assert (await quick.frame())["type"] == "ready"
            for _ in range(3):
                await stand.append(500)
            assert await quick.positions(1500) == list(range(1, 1501))
            gate.set()
            assert await blocked.close_code() == 4408


async def test_the_reader_ends_with_the_last_listener(stand: Stand) -> None:
    async with stand.follow() as follower:
        await follower.frame()
        assert stand.running.app.state.hub.sockets == 1
    await eventually(lambda: not stand.running.app.state.hub.sockets)
    await eventually(lambda: not any(task.get_name().startswith("feed-") for task in asyncio.all_tasks()))
