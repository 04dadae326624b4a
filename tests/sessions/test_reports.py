"""What is made of the engine host's reports: for whom they count, what they store, and once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import service as accounts
from blazz.cluster import service as cluster
from blazz.kit.settings import Settings
from blazz.messaging import imports
from blazz.sessions.registry import Registry, Session
from blazz.sessions.reports import ReportHooks, Reports
from tests.sessions.rooms import NO_UNIT, NotingBoard, running_session

pytestmark = pytest.mark.anyio
JID = "6281:3@s.whatsapp.net"


class Room:
    """Reports of one session; the rows are replaced by notes of what is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.registry, self.board = Registry(), NotingBoard()
        self.answered: list[int] = []
        self.connected: list[Session] = []
        self.lost: list[uuid.UUID] = []
        self.written: list[str] = []
        self.losers: list[uuid.UUID] = []

        def answer(tags: Iterable[int]) -> None:
            self.answered.extend(tags)

        hooks = ReportHooks(
            connected=self.connected.append,
            lost_number=self.lost.append,
            restart=lambda session: None,
            answer=answer,
            judged=lambda session, state, change: None,
        )
        self.reports = Reports(self.registry, self.board, Settings.model_construct(status_claim_s=60.0), hooks)

        def status(_tx: object, _account: object, _workspace: object, status: str, **_more: Any) -> None:
            self.written.append(status)

        def linked(*_args: Any, **_more: Any) -> list[uuid.UUID]:
            self.written.append("identity")
            return self.losers

        monkeypatch.setattr(accounts, "set_status", status)
        monkeypatch.setattr(accounts, "linked", linked)
        monkeypatch.setattr(accounts, "note_restored", lambda *_: self.written.append("restored"))
        monkeypatch.setattr(imports, "interrupt", lambda *_: None)
        monkeypatch.setattr(cluster, "note_connected", lambda *_: None)
        monkeypatch.setattr(cluster, "want_stopped", lambda *_: self.written.append("stopped"))

    def session(self, *, linked: bool) -> Session:
        session = running_session(self.registry, linked=linked)
        session.connected = False
        return session

    def report(self, session: Session, kind: int, *, tag: int = 1, epoch: int | None = None, **more: Any) -> list[str]:
        """Report a state; return what is written for it."""
        state = pb.State(state=kind, jid=JID, **more)  # type: ignore[arg-type]
        wanted = session.epoch if epoch is None else epoch
        event = pb.Event(session_id=session.ref.session_id, epoch=wanted, tag=tag, needs_ack=True, state=state)
        self.reports.handle(event)
        return self.store()

    def store(self) -> list[str]:
        """Store what was posted and return it."""
        posted, self.board.posted, self.written = self.board.posted, [], []
        for change in posted:
            result = change.apply(NO_UNIT)
            if change.then is not None:
                change.then(result)
        return self.written


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


async def test_reports_of_another_epoch_are_answered_and_change_nothing(room: Room) -> None:
    session = room.session(linked=True)
    assert room.report(session, pb.SESSION_STATE_CONNECTED, epoch=0) == []
    assert room.report(session, pb.SESSION_STATE_LOGGED_OUT, epoch=2) == []
    assert room.answered == [1, 1]
    assert not session.connected
    assert session.linked


async def test_a_restored_pairing_is_counted_at_its_first_login_only(room: Room) -> None:
    session = room.session(linked=True)
    assert room.report(session, pb.SESSION_STATE_CONNECTED) == ["restored", "identity", "connected"]
    room.report(session, pb.SESSION_STATE_DISCONNECTED, retrying=True)
    assert not session.connected
    assert room.report(session, pb.SESSION_STATE_CONNECTED) == ["connected"], "who it is has not changed"
    assert room.connected == [session, session]


async def test_a_login_that_is_reported_again_is_one_login(room: Room) -> None:
    session = room.session(linked=True)
    for _ in range(2):
        room.report(session, pb.SESSION_STATE_CONNECTED)
    assert room.connected == [session]


async def test_a_new_pairing_is_none_that_was_restored(room: Room) -> None:
    session = room.session(linked=False)
    assert room.report(session, pb.SESSION_STATE_PAIRED) == ["identity", "authenticated"]
    assert room.report(session, pb.SESSION_STATE_CONNECTED) == ["connected"]
    assert session.linked


async def test_a_tag_is_answered_only_when_what_follows_is_stored(room: Room) -> None:
    session = room.session(linked=True)
    state = pb.State(state=pb.SESSION_STATE_CONNECTED, jid=JID)
    room.reports.handle(pb.Event(session_id=session.ref.session_id, epoch=1, tag=9, needs_ack=True, state=state))
    assert room.answered == []
    room.store()
    assert room.answered == [9]
    assert room.report(session, pb.SESSION_STATE_STOPPED, tag=10) == []
    assert room.answered == [9, 10], "nothing is to be stored"


async def test_whoever_lost_the_number_is_told_after_the_commit(room: Room) -> None:
    room.losers = [uuid.uuid4()]
    session = room.session(linked=False)
    state = pb.State(state=pb.SESSION_STATE_PAIRED, jid=JID)
    room.reports.handle(pb.Event(session_id=session.ref.session_id, epoch=1, tag=1, needs_ack=True, state=state))
    assert room.lost == []
    room.store()
    assert room.lost == room.losers


@pytest.mark.parametrize(
    ("linked", "use_qr", "shown"), [(False, True, True), (True, True, False), (False, False, False)]
)
async def test_a_code_is_shown_only_while_one_is_wanted(room: Room, linked: bool, use_qr: bool, shown: bool) -> None:
    session = room.session(linked=linked)
    session.use_qr = use_qr
    code = pb.QrCode(code="2@abc", lifetime_s=20, number=1)
    room.reports.handle(pb.Event(session_id=session.ref.session_id, epoch=1, qr=code))
    assert (session.qr is not None) == shown
    assert bool(room.board.posted) == shown


async def test_a_number_that_was_logged_out_is_stored_anew_when_it_is_linked_as_the_same_device(room: Room) -> None:
    session = room.session(linked=True)
    room.report(session, pb.SESSION_STATE_CONNECTED)
    written = room.report(session, pb.SESSION_STATE_LOGGED_OUT, code=401)
    assert "logged_out" in written
    assert "stopped" in written
    assert not session.wanted
    session.started = True
    assert room.report(session, pb.SESSION_STATE_PAIRED) == ["identity", "authenticated"]


@pytest.mark.parametrize("first_login", [False, True])
async def test_a_log_out_before_the_first_login_is_an_unfinished_linking(room: Room, first_login: bool) -> None:
    session = room.session(linked=False)
    room.report(session, pb.SESSION_STATE_PAIRED)
    if first_login:
        room.report(session, pb.SESSION_STATE_CONNECTED)
    assert session.fresh != first_login
