"""What becomes of deliveries: stored ones are acknowledged, others come again, and no single one stops the rest."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster import ownership
from blazz.kit.db import Database
from blazz.kit.errors import BlazzError
from blazz.messaging import inbound as messaging
from blazz.messaging.model import InboundMessage, StoreResult
from blazz.sessions import ingest
from blazz.sessions.ingest import Delivery, Ingest
from blazz.sessions.registry import Registry, Session
from tests.sessions.rooms import NotingDatabase, running_session
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


class Room:
    """An ingest whose rows are a list; messages named `poison` cannot be stored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = NotingDatabase()
        self.session = running_session(Registry())
        self.stale: set[uuid.UUID] = set()
        self.rows: list[str] = []
        self.raw: list[str] = []
        self.raw_failure: Exception | None = None
        self.stored: list[int] = []
        self.refused: list[int] = []
        self.media = 0
        self.tags = 0
        self.ingest = Ingest(cast(Database, self.database), lambda value, _: value, self._answer, self._media)
        monkeypatch.setattr(ownership, "check", lambda _tx, pairs: {one for one, _ in pairs if one in self.stale})
        monkeypatch.setattr(messaging, "prepare", list)
        monkeypatch.setattr(messaging, "store_messages", self._store)
        monkeypatch.setattr(messaging, "store_unprocessable", self._store_raw)

    def _answer(self, stored: Iterable[int], refused: Iterable[int]) -> None:
        self.stored.extend(stored)
        self.refused.extend(refused)

    def _media(self) -> None:
        self.media += 1

    def _store(self, _tx: object, batch: Sequence[InboundMessage], _seal: object) -> StoreResult:
        names = [message.wa_message_id for message in batch]
        if "poison" in names:
            raise ValueError("a defect that nobody foresaw")
        self.rows += names
        return StoreResult(len(names), 0, sum(name == "file" for name in names))

    def _store_raw(self, _tx: object, batch: Sequence[InboundMessage]) -> None:
        if self.raw_failure is not None:
            raise self.raw_failure
        self.raw += [message.wa_message_id for message in batch]

    def delivery(self, name: str, session: Session | None = None) -> Delivery:
        self.tags += 1
        message = pb.Message(id=name, chat="62@s.whatsapp.net", sender="62@s.whatsapp.net")
        return Delivery(session or self.session, pb.Event(epoch=1, tag=self.tags, needs_ack=True, message=message))

    async def take(self, *names: str) -> None:
        await self.ingest._take([self.delivery(name) for name in names])


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    built = Room(monkeypatch)
    yield built
    await built.ingest.stop()


async def test_what_is_stored_is_acknowledged_and_files_are_fetched(room: Room) -> None:
    await room.take("a", "b")
    assert (room.rows, room.stored, room.refused, room.media) == (["a", "b"], [1, 2], [], 0)
    await room.take("file")
    assert room.media == 1


async def test_deliveries_of_a_session_with_a_newer_owner_are_left_to_that(room: Room) -> None:
    gone = running_session(Registry())
    room.stale = {gone.account_id}
    await room.ingest._take([room.delivery("ours"), room.delivery("theirs", gone)])
    assert room.rows == ["ours"]
    assert (room.stored, room.refused) == ([1], [2])


async def test_a_database_that_fails_acknowledges_nothing_and_blames_no_message(room: Room) -> None:
    room.database.failure = BlazzError("database_unavailable", "Away.", 503)
    for _ in range(4):
        await room.take("a", "b")
    assert room.stored == []
    assert len(room.database.units) == 4, "nothing is tried one by one"
    room.database.failure = None
    await room.take("a")
    assert room.rows == ["a"]
    assert room.raw == []


async def test_content_that_cannot_be_stored_is_kept_raw_at_the_third_time_and_holds_nobody_up(room: Room) -> None:
    await room.take("a", "poison", "b")
    assert (room.rows, room.stored, room.refused) == (["a", "b"], [1, 3], [2])
    await room.take("poison")
    assert room.raw == []
    await room.take("poison")
    assert room.raw == ["poison"]
    assert room.stored[-1] == room.tags
    assert room.ingest.counters.unprocessable == 1
    await room.take("poison")
    assert room.refused[-1] == room.tags, "another delivery of it begins anew"


@pytest.mark.parametrize(
    ("failure", "confirmed"), [(OSError("disk"), False), (ValueError("still not"), True)], ids=["disk", "content"]
)
async def test_raw_content_that_fails_comes_again_only_where_that_can_help(
    room: Room, failure: Exception, confirmed: bool
) -> None:
    room.raw_failure = failure
    for _ in range(3):
        await room.take("poison")
    assert (room.stored == [room.tags]) == confirmed
    assert (room.refused[-1] == room.tags) != confirmed


async def test_too_much_that_waits_is_not_read(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_QUEUE", 2)
    for name in ("a", "b"):
        await room.ingest.put(room.delivery(name))
    third = asyncio.create_task(room.ingest.put(room.delivery("c")))
    await asyncio.sleep(0.01)
    assert not third.done()
    room.ingest.start()
    await third
    await eventually(lambda: room.rows == ["a", "b", "c"], what="everything is stored")


async def test_what_waits_at_a_stop_is_not_answered(room: Room) -> None:
    room.ingest.start()
    await asyncio.sleep(0)
    await room.ingest.put(room.delivery("a"))
    await room.ingest.stop()
    await room.ingest.put(room.delivery("b"))
    assert (room.rows, room.stored, room.refused) == ([], [], [])


async def test_a_defect_in_one_group_does_not_end_the_receiving(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    take, failed = room.ingest._take, False

    async def once(group: Any) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise RuntimeError("a defect")
        await take(group)

    monkeypatch.setattr(room.ingest, "_take", once)
    room.ingest.start()
    await room.ingest.put(room.delivery("a"))
    await eventually(lambda: room.refused == [1], what="the refusal")
    await room.ingest.put(room.delivery("b"))
    await eventually(lambda: room.stored == [2], what="the next one is stored")
