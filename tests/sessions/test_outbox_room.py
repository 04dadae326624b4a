"""What the outbox makes of each outcome, and of whom it claims messages."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from typing import Any, cast

import pytest

from blazz.accounts.restrictions import Restriction
from blazz.cluster import ownership
from blazz.kit.db import Database
from blazz.kit.time import utc_now
from blazz.messaging import holding
from blazz.messaging import outbox as messaging
from blazz.messaging.outbox import OutboxItem, SendResult
from blazz.providers.base import NotSent, Outcome, Provider, Rejected, Restricted, Sent, Unknown
from blazz.sessions import outbox as room_of_outbox
from blazz.sessions.limits import LimitDesk, LimitHooks
from blazz.sessions.outbox import Outbox
from blazz.sessions.registry import Registry, Session
from blazz.sessions.uploads import Uploads
from tests.sessions.rooms import NO_UNIT, NotingBoard, NotingDatabase, running_session

pytestmark = pytest.mark.anyio
WEEK = dt.timedelta(days=7)


class Room:
    """An outbox with one session and a provider that answers what it is told."""

    def __init__(self) -> None:
        self.registry, self.database = Registry(), NotingDatabase()
        self.session = running_session(self.registry)
        self.outcomes: list[Outcome] = []
        self.tried: list[str] = []
        self.results: list[SendResult] = []
        hooks = LimitHooks(lambda session: None, lambda tags: None, lambda: None)
        self.limits = LimitDesk(self.registry, NotingBoard(), hooks)
        self.outbox = Outbox(
            cast(Database, self.database), self.registry, self._provider, cast(Uploads, None), self.limits
        )
        self.outbox._results.put = self._put  # type: ignore[method-assign]

    def _provider(self, _session: Session) -> Provider:
        return self

    async def send(self, recipient: str, message_id: str, payload: bytes) -> Outcome:
        del recipient, payload
        self.tried.append(message_id)
        return self.outcomes.pop(0)

    def _put(self, item: OutboxItem, result: SendResult) -> asyncio.Future[None]:
        del item
        self.results.append(result)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def item(self, name: str, *, attempts: int = 1, age: dt.timedelta = dt.timedelta(0)) -> OutboxItem:
        account, workspace = self.session.account_id, self.session.workspace_id
        ids = uuid.uuid4(), workspace, account, uuid.UUID(int=1), uuid.uuid4()
        return OutboxItem(*ids, name, "62@s.whatsapp.net", b"bytes", None, "text", attempts, utc_now() - age)

    async def sent(self, *outcomes: Outcome, attempts: int = 1, age: dt.timedelta = dt.timedelta(0)) -> list[str]:
        """Send one message more than there are outcomes; return what becomes of each."""
        self.outcomes, self.tried, self.results = list(outcomes), [], []
        items = [self.item(f"M{number}", attempts=attempts, age=age) for number in range(len(outcomes) + 1)]
        self.outcomes.append(Sent(utc_now()))
        await self.outbox._send_chat(items)
        return [result.outcome for result in self.results]


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.parametrize("outcome", [NotSent("away"), Unknown("cut"), Restricted(463)])
async def test_nothing_of_a_chat_passes_a_message_that_was_not_taken(room: Room, outcome: Outcome) -> None:
    become = await room.sent(outcome)
    assert room.tried == ["M0"]
    assert become == ["unknown" if isinstance(outcome, Unknown) else "requeue", "requeue"]
    assert room.results[1].at <= utc_now(), "what stands behind it is due with it"


async def test_what_is_refused_for_good_holds_nobody_up(room: Room) -> None:
    assert await room.sent(Rejected("refused_479", "no")) == ["failed", "sent"]


@pytest.mark.parametrize("outcome", [NotSent("away"), Unknown("cut"), Restricted(463)])
async def test_a_message_that_may_be_out_stays_so_until_its_outcome_is_known(room: Room, outcome: Outcome) -> None:
    become = await room.sent(outcome, attempts=2, age=2 * WEEK)
    assert become[0] == "unknown", "an earlier attempt may have reached WhatsApp: neither queued anew nor failed"


@pytest.mark.parametrize(("age", "become"), [(WEEK - dt.timedelta(hours=1), "requeue"), (2 * WEEK, "failed")])
async def test_a_message_that_is_still_refused_after_a_week_fails(room: Room, age: dt.timedelta, become: str) -> None:
    assert (await room.sent(Restricted(463), age=age))[0] == become


async def test_a_refused_message_waits_for_the_end_of_the_restriction(room: Room) -> None:
    await room.sent(Restricted(429))
    assert room.results[0].at == room.limits.stopped_until(room.session, new_chat=False)


@pytest.mark.parametrize("state", ["leaving", "disconnected", "gone"])
async def test_a_session_that_leaves_or_has_no_connection_sends_nothing(room: Room, state: str) -> None:
    if state == "gone":
        room.registry.remove(room.session.account_id)
    room.session.leaving, room.session.connected = state == "leaving", state != "disconnected"
    assert await room.sent() == ["requeue"]
    assert room.tried == []


class Claims:
    """Notes of whom messages are claimed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stale: Collection[uuid.UUID] = ()) -> None:
        self.accounts: list[uuid.UUID] = []
        self.ends: Mapping[uuid.UUID, dt.datetime] = {}
        self.held = 0
        monkeypatch.setattr(ownership, "check", lambda _tx, pairs: {one for one, _ in pairs if one in stale})
        monkeypatch.setattr(messaging, "claim", self._claim)
        monkeypatch.setattr(holding, "take_back", self._take_back)

    def _claim(self, _tx: object, accounts: list[uuid.UUID], *_args: Any, **_options: Any) -> list[OutboxItem]:
        self.accounts = accounts
        return []

    def _take_back(
        self, _tx: object, items: list[OutboxItem], ends: Mapping[uuid.UUID, dt.datetime]
    ) -> tuple[list[OutboxItem], int]:
        self.ends = ends
        return items, self.held


def test_nothing_is_claimed_of_a_session_that_has_a_newer_owner(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    other = running_session(room.registry)
    claims = Claims(monkeypatch, stale={other.account_id})
    room.outbox._claim(NO_UNIT, [room.session, other], frozenset(), {})
    assert claims.accounts == [room.session.account_id]


async def test_a_number_sends_in_eight_chats_at_once_and_all_together_in_sixty_four(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims, other = Claims(monkeypatch), running_session(room.registry)
    outbox = room.outbox
    outbox._load[room.session.account_id] = 8
    for session in (room.session, other):
        outbox.hint(session.account_id)
    await outbox._dispatch()
    assert claims.accounts == [other.account_id]
    assert outbox._hinted == {room.session.account_id}, "kept for when there is room"
    outbox._load[room.session.account_id] = 7
    task = asyncio.create_task(asyncio.Event().wait())
    outbox._tasks = {cast("asyncio.Task[None]", (task, number)) for number in range(64)}
    claims.accounts = []
    await outbox._dispatch()
    assert claims.accounts == []
    assert outbox._hinted == {room.session.account_id}
    outbox._tasks.clear()
    await outbox._dispatch()
    assert claims.accounts == [room.session.account_id]
    task.cancel()


async def test_a_number_whose_new_chats_were_put_back_is_looked_at_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(monkeypatch)
    for held, hinted in ((0, set()), (3, {room.session.account_id})):
        claims.held = held
        room.outbox.hint(room.session.account_id)
        await room.outbox._dispatch()
        assert room.outbox._hinted == hinted


async def test_a_restricted_number_is_claimed_of_but_for_its_new_chats_and_a_paused_one_not_at_all(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims, end, free = Claims(monkeypatch), utc_now() + WEEK, running_session(room.registry)
    locked, paused = running_session(room.registry), running_session(room.registry)
    room.limits.adopt(locked, [Restriction("reachout_timelock", utc_now(), end)])
    room.limits.adopt(paused, [Restriction("rate_limited", utc_now(), end)])
    for session in (free, locked, paused):
        room.outbox.hint(session.account_id)
    await room.outbox._dispatch()
    assert set(claims.accounts) == {free.account_id, locked.account_id}
    assert claims.ends == {locked.account_id: end}
    await room.outbox._dispatch()
    assert not room.outbox._hinted, "the end of the pause gives a new hint"
    await room.limits.stop()


async def test_who_waits_for_quiet_waits_for_what_is_being_sent(room: Room) -> None:
    await room.outbox.quiet(room.session.account_id, 60)
    room.outcomes = [Sent(utc_now())]
    room.outbox._begin(uuid.UUID(int=1), [room.item("M0")])
    async with asyncio.timeout(5):
        await room.outbox.quiet(room.session.account_id, 60)
    assert room.tried == ["M0"]
    assert not room.outbox._load
    assert room.outbox._hinted == {room.session.account_id}, "what has gathered behind it is looked for"


async def test_a_failed_claim_forgets_nobody(room: Room) -> None:
    room.database.failure = OSError("disk")
    room.outbox.hint(room.session.account_id)
    with pytest.raises(OSError, match="disk"):
        await room.outbox._dispatch()
    assert room.outbox._hinted == {room.session.account_id}


async def test_a_hint_for_another_instances_number_is_passed_over(room: Room) -> None:
    room.outbox._on_topic(f"{room_of_outbox._PREFIX}{uuid.uuid4()}")
    assert not room.outbox._hinted
    room.outbox._on_topic(f"{room_of_outbox._PREFIX}{room.session.account_id}")
    assert room.outbox._hinted == {room.session.account_id}
