"""How restrictions of a number add up in memory, end, and are asked about."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts.restrictions import Restriction
from blazz.engine_client import EngineClient, EngineError
from blazz.kit.time import utc_now
from blazz.sessions import limits
from blazz.sessions.limits import LimitDesk, LimitHooks
from blazz.sessions.registry import Registry, Session
from tests.sessions.rooms import NotingBoard, running_session
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
SECOND = dt.timedelta(seconds=1)


class Room:
    """A desk with one session, its board, and a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = utc_now()
        self.registry, self.board = Registry(), NotingBoard()
        self.session = running_session(self.registry)
        self.resumed: list[Session] = []
        self.answered: list[int] = []
        self.client: EngineClient | None = None

        def answer(tags: Iterable[int]) -> None:
            self.answered.extend(tags)

        self.desk = LimitDesk(self.registry, self.board, LimitHooks(self.resumed.append, answer, lambda: self.client))
        monkeypatch.setattr(limits, "utc_now", lambda: self.now)

    def until(self, *, new_chat: bool = True) -> dt.datetime | None:
        return self.desk.stopped_until(self.session, new_chat=new_chat)

    def hold(self, kind: Any, seconds: float, **more: Any) -> Restriction:
        restriction = Restriction(kind, self.now, self.now + dt.timedelta(seconds=seconds), **more)
        self.desk.adopt(self.session, [restriction])
        return restriction


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def timelock(tag: int, ends: dt.datetime, *, active: bool = True) -> pb.Event:
    notice = pb.ReachoutTimelock(active=active, ends_ms=int(ends.timestamp() * 1000))
    return pb.Event(tag=tag, needs_ack=True, reachout_timelock=notice)


async def test_a_notice_is_heeded_at_once_and_answered_when_it_is_stored(room: Room) -> None:
    room.desk.take(room.session, timelock(1, room.now + 60 * SECOND))
    assert room.until() is not None
    assert room.until(new_chat=False) is None
    assert room.answered == []
    room.board.settle()
    assert room.answered == [1]
    room.desk.take(room.session, timelock(2, room.now + 60 * SECOND))
    assert room.answered == [1, 2], "known already: nothing is to be stored"
    assert room.board.posted == []
    room.desk.take(room.session, timelock(3, room.now + 90 * SECOND))
    assert len(room.board.posted) == 1, "another end is news"


async def test_a_notice_whose_end_is_past_lifts_what_held(room: Room) -> None:
    room.desk.take(room.session, timelock(1, room.now - 5 * SECOND))
    assert room.until() is None
    assert room.answered == [1]
    room.hold("reachout_timelock", 600)
    room.desk.take(room.session, timelock(2, room.now - 5 * SECOND))
    assert room.until() is None
    room.board.settle()
    assert room.answered == [1, 2]


async def test_pauses_double_in_a_row_and_begin_anew_after_a_message_that_was_taken(room: Room) -> None:
    first = room.desk.refused(room.session, 429)
    assert first == room.now + 60 * SECOND
    assert room.desk.refused(room.session, 429) == first, "several were under way: one pause"
    assert len(room.board.posted) == 1
    lengths = []
    for _ in range(8):
        room.now += 3601 * SECOND
        end = room.desk.refused(room.session, 429)
        assert end is not None
        lengths.append((end - room.now).total_seconds())
    assert lengths == [120, 240, 480, 960, 1920, 3600, 3600, 3600]
    room.desk.sent(room.session)
    room.now += 3601 * SECOND
    assert room.desk.refused(room.session, 429) == room.now + 60 * SECOND


async def test_each_restriction_is_lifted_at_its_own_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "utc_now", utc_now)
    now = utc_now()
    short = Restriction("rate_limited", now, now + 0.1 * SECOND)
    long = Restriction("reachout_timelock", now, now + 3600 * SECOND)
    room.desk.adopt(room.session, [long, short])
    await eventually(lambda: room.board.posted, within_s=5, what="the end of the shorter one")
    assert room.until(new_chat=False) is None
    assert room.until() == long.until
    await room.desk.stop()


async def test_what_another_start_has_taken_up_counts_alone(room: Room) -> None:
    room.hold("temporary_ban", 0.05)
    assert room.desk.banned_until(room.session) is not None
    timer = room.desk._limits[room.session.account_id].timer
    assert timer is not None
    later = room.hold("rate_limited", 3600)
    assert timer.cancelled()
    assert room.desk.banned_until(room.session) is None
    assert room.until() == later.until
    room.now += SECOND
    await asyncio.sleep(0.1)  # the end of the former one
    assert room.board.posted == []
    await room.desk.stop()


async def test_a_ban_that_is_over_holds_nobody_even_before_it_is_lifted(room: Room) -> None:
    room.hold("temporary_ban", 600)
    room.now += 601 * SECOND
    assert room.desk.banned_until(room.session) is None
    assert room.until() is None
    await room.desk.stop()


@pytest.mark.parametrize(
    ("assumed", "active", "asked", "goes_on"),
    [(False, True, 0, False), (True, True, 1, True), (True, False, 1, False), (True, None, 1, False)],
    ids=["a told end", "still locked", "no lock any more", "no answer"],
)
async def test_only_an_end_that_was_guessed_is_asked_about(
    room: Room, monkeypatch: pytest.MonkeyPatch, assumed: bool, active: bool | None, asked: int, goes_on: bool
) -> None:
    questions = 0

    async def told(_ref: object) -> Any:
        nonlocal questions
        questions += 1
        if active is None:
            raise EngineError("not_told", "the answer cannot be read")
        return SimpleNamespace(active=active, ends_ms=0, enforcement="RATE_LIMIT")

    monkeypatch.setattr(limits, "LimitsClient", lambda _client: SimpleNamespace(reachout_timelock=told))
    room.client = cast(EngineClient, object())
    room.hold("reachout_timelock", 0.01, assumed=assumed)
    room.now += SECOND
    await eventually(lambda: room.board.posted, within_s=5, what="what follows")
    assert questions == asked
    assert (room.until() is not None) == goes_on
    await room.desk.stop()


@pytest.mark.parametrize(
    ("wanted", "started", "resumes"), [(True, False, True), (False, False, False), (True, True, False)]
)
async def test_the_end_of_a_ban_starts_a_session_that_is_wanted(
    room: Room, wanted: bool, started: bool, resumes: bool
) -> None:
    room.session.wanted, room.session.started = wanted, started
    room.hold("temporary_ban", 0.01)
    room.now += SECOND
    await eventually(lambda: room.board.posted, within_s=5, what="the end")
    assert room.resumed == ([room.session] if resumes else [])


async def test_the_end_of_a_ban_concerns_nobody_whose_session_has_moved(room: Room) -> None:
    room.hold("temporary_ban", 0.01)
    room.session.started = False
    room.registry.remove(room.session.account_id)
    room.now += SECOND
    await eventually(lambda: room.desk.banned_until(room.session) is None, within_s=5)
    await asyncio.sleep(0.05)
    assert room.resumed == []
    assert room.board.posted == []


@pytest.mark.parametrize(
    ("active", "ends_in_s", "held"),
    [(True, 600, 601), (True, -5, 86_400), (True, None, 86_400), (False, None, 86_400)],
    ids=["an end", "an end that is past", "no end", "no lock"],
)
async def test_a_refusal_asks_until_when_and_believes_only_an_end(
    room: Room, monkeypatch: pytest.MonkeyPatch, active: bool, ends_in_s: int | None, held: int
) -> None:
    ends_ms = 0 if ends_in_s is None else int((room.now.timestamp() + ends_in_s) * 1000)
    asked = asyncio.Event()

    async def told(_ref: object) -> Any:
        asked.set()
        room.now += 5 * SECOND
        return SimpleNamespace(active=active, ends_ms=ends_ms, enforcement="RATE_LIMIT")

    monkeypatch.setattr(limits, "LimitsClient", lambda _client: SimpleNamespace(reachout_timelock=told))
    room.client = cast(EngineClient, object())
    began = room.now
    room.desk.refused(room.session, 463)
    room.desk.refused(room.session, 463)
    await asyncio.wait_for(asked.wait(), 5)
    await asyncio.sleep(0)
    until = room.until()
    assert until is not None
    assert abs((until - began).total_seconds() - held) < 0.01
    await room.desk.stop()
