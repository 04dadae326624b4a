"""What the engine host reports of a session (states, QR codes): into memory at once, into the database in order."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from blazz import events
from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import service as accounts
from blazz.cluster import service as cluster
from blazz.cluster.commands import QrView
from blazz.kit.db import Tx
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.messaging import imports
from blazz.sessions.addresses import phone_of
from blazz.sessions.registry import Registry, Session
from blazz.sessions.statuses import Change, StatusBoard
from blazz.sessions.transitions import CLAIMS, Verdict, judge

_log = structlog.get_logger(__name__)
_RETRY_REPLACED_S = 60.0


@dataclass(frozen=True, slots=True)
class ReportHooks:
    """What follows from reports elsewhere. `lost_number` is called after a commit, the others at once.

    `judged` may extend the change that stores what a state means.
    """

    connected: Callable[[Session], None]
    lost_number: Callable[[uuid.UUID], None]
    restart: Callable[[Session], object]
    answer: Callable[[Iterable[int]], None]
    judged: Callable[[Session, pb.State, Change], None]


class Reports:
    """Handles states and QR codes on the event loop; nothing here waits."""

    def __init__(self, registry: Registry, board: StatusBoard, settings: Settings, hooks: ReportHooks) -> None:
        self._registry = registry
        self._board = board
        self._claim = dt.timedelta(seconds=settings.status_claim_s)
        self._hooks = hooks

    def handle(self, event: pb.Event) -> None:
        """Take one state or QR event. The tag of a state is answered once what follows from it is stored."""
        session = self._registry.by_ref(event.session_id)
        if session is None or session.epoch != event.epoch:
            if event.needs_ack:
                self._hooks.answer((event.tag,))
        elif event.HasField("qr"):
            self._qr(session, event.qr)
        else:
            self._state(session, event.state, event.tag)
            if session.changed is not None:
                session.changed.set()

    def set_status(self, session: Session, verdict: Verdict) -> Change:
        """Return the change that stores a status; also remembers it as the session's last one."""
        session.status = verdict.status
        if verdict.status != "qr_scanning":
            session.qr = None
        if verdict.status != "passkey_required":
            session.passkey = None
        claim = utc_now() + self._claim if verdict.status in CLAIMS else None

        def apply(tx: Tx) -> None:
            self._store(tx, session, verdict, claim)

        return Change(session, apply)

    @staticmethod
    def _store(tx: Tx, session: Session, verdict: Verdict, claim: dt.datetime | None) -> None:
        accounts.set_status(
            tx,
            session.account_id,
            session.workspace_id,
            verdict.status,
            detail=verdict.detail,
            reason=verdict.reason,
            claim_until=claim,
        )
        if verdict.status == "logged_out":
            imports.interrupt(tx, session.workspace_id, session.account_id, "logged_out")
        if verdict.status == "connected":
            cluster.note_connected(tx, session.workspace_id, session.account_id, session.epoch)
        if verdict.stop:
            cluster.want_stopped(tx, session.workspace_id, session.account_id)

    def _qr(self, session: Session, qr: pb.QrCode) -> None:
        if session.linked or not session.use_qr:
            return
        expires = utc_now() + dt.timedelta(seconds=qr.lifetime_s)
        change = self.set_status(session, Verdict("qr_scanning"))
        session.qr = QrView(qr.code, qr.number, expires)
        store_status = change.apply
        data = {"account_id": str(session.account_id), "number": qr.number, "expires_at": expires.isoformat()}

        def apply(tx: Tx) -> None:
            store_status(tx)
            events.append(tx, "session.qr", data, workspace_id=session.workspace_id, account_id=session.account_id)

        change.apply = apply
        self._board.post(change)

    def _state(self, session: Session, state: pb.State, tag: int) -> None:
        verdict = judge(
            state, linked=session.linked, status=session.status, started=session.started, fresh=session.fresh
        )
        if state.state == pb.SESSION_STATE_PAIRED:
            session.fresh = True
        up = state.state == pb.SESSION_STATE_CONNECTED
        restored = up and session.restoring
        down = verdict is not None and verdict.status not in ("connected", "authenticated")
        if up and not session.connected:
            session.connected = session.linked = True
            session.restoring = session.fresh = False
            self._hooks.connected(session)
        elif down and session.connected:
            session.connected = False
        if verdict is None:
            self._hooks.answer((tag,))
            return
        change = self.set_status(session, verdict)
        change.then = change.dropped = lambda *_: self._hooks.answer((tag,))
        if state.state in (pb.SESSION_STATE_PAIRED, pb.SESSION_STATE_CONNECTED):
            self._identity(session, state, change)
        if restored:
            self._restored(session, change)
        self._hooks.judged(session, state, change)
        if verdict.final:
            self._end(session, state, verdict)
        if verdict.status in ("failed", "logged_out"):
            _log.warning("session ended", account=str(session.account_id), status=verdict.status, detail=verdict.detail)
        self._board.post(change)

    def _identity(self, session: Session, state: pb.State, change: Change) -> None:
        """Store who the session speaks for with its status; a number can be on one account of a workspace only."""
        session.linked = True
        identity = (state.jid, state.lid, state.push_name, state.business_name, state.platform)
        if identity == session.identity:
            return
        store_status, answer = change.apply, change.then
        assert answer is not None

        def apply(tx: Tx) -> object:
            losers = accounts.linked(
                tx,
                session.workspace_id,
                session.account_id,
                jid=state.jid,
                lid=state.lid or None,
                phone=phone_of(state.jid),
                push_name=state.push_name or None,
                business_name=state.business_name or None,
                platform=state.platform or None,
            )
            for loser in losers:
                imports.interrupt(tx, session.workspace_id, loser, "replaced")
            store_status(tx)
            return losers

        def then(losers: object) -> None:
            answer(None)
            if session.linked:
                session.identity = identity
            for loser in losers if isinstance(losers, (list, tuple, set, frozenset)) else ():
                self._hooks.lost_number(loser)

        change.apply, change.then = apply, then

    @staticmethod
    def _restored(session: Session, change: Change) -> None:
        """Count that a pairing which was there already is in use again, with the status that says so."""
        store_status = change.apply

        def apply(tx: Tx) -> object:
            accounts.note_restored(tx, session.workspace_id, session.account_id)
            return store_status(tx)

        change.apply = apply

    def _end(self, session: Session, state: pb.State, verdict: Verdict) -> None:
        session.started = False
        session.wanted = not verdict.stop
        if state.state == pb.SESSION_STATE_LOGGED_OUT:
            session.linked, session.identity = False, ()
        if state.state == pb.SESSION_STATE_REPLACED and not session.replaced_once:
            session.replaced_once = True
            loop = asyncio.get_running_loop()
            session.retry = loop.call_later(_RETRY_REPLACED_S, self._hooks.restart, session)
            _log.warning("replaced by another connection; one retry follows", account=str(session.account_id))
        elif state.state == pb.SESSION_STATE_REPLACED:
            session.wanted = False
            _log.error("replaced again; not connecting any more", account=str(session.account_id))
