"""The heart of an instance: owns the engine host and the sessions, starts what is wanted, says what happened."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import service as accounts
from blazz.cluster import service as cluster
from blazz.engine_client import (
    CrashReport,
    EngineClient,
    EngineError,
    EngineGone,
    EngineOptions,
    NotConnected,
    StaleEpoch,
)
from blazz.engine_client.stream import EventStream
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError, unavailable
from blazz.kit.settings import Settings
from blazz.sessions.claims import renew_claims
from blazz.sessions.engine_keeper import EngineKeeper, KeeperHooks
from blazz.sessions.ephemeral import EphemeralFeed
from blazz.sessions.figures import ProcessFigures
from blazz.sessions.inbound import is_stored
from blazz.sessions.ingest import Delivery, Ingest
from blazz.sessions.lease import Lease, LeaseHooks
from blazz.sessions.limits import LimitDesk, LimitHooks
from blazz.sessions.outdated import ClientAlarmDesk
from blazz.sessions.passkeys import Passkeys
from blazz.sessions.phone_signs import PhoneSigns
from blazz.sessions.quarantine import Quarantine
from blazz.sessions.registry import Registry, Session
from blazz.sessions.reports import ReportHooks, Reports
from blazz.sessions.statuses import Change, StatusBoard
from blazz.sessions.storage.verdicts import start_failure
from blazz.sessions.stores import put_aside, store_path
from blazz.sessions.tasks import TaskSet
from blazz.sessions.transitions import Verdict

_log = structlog.get_logger(__name__)
_STARTS = 32  # sessions being started at once; logins on the real network are paced by the engine host
_LOCK_MARGIN_S = 4.0
_REACH_S = 10.0  # how long a log-out waits for a connection


class Supervisor:
    """Everything of an instance that concerns its sessions' life. `start` and `stop` are called once each."""

    def __init__(
        self, database: Database, settings: Settings, registration: cluster.Registration, options: EngineOptions
    ) -> None:
        self._database = database
        self._settings = settings
        self._registration = registration
        self.registry = Registry()
        self.board = StatusBoard(database)
        self.connected_hooks: list[Callable[[Session], None]] = []
        self.changed_hooks: list[Callable[[], None]] = []
        """Called when the set of our sessions may have changed."""
        self.fenced = asyncio.Event()
        """Set when another process runs under our name: this one must end."""
        self.draining = False
        self._figures = ProcessFigures()
        self._locks: dict[uuid.UUID, asyncio.Lock] = {}
        self._lock_users: Counter[uuid.UUID] = Counter()
        self.ingest: Ingest | None = None
        self._tasks = TaskSet()
        self._stream: EventStream | None = None
        self._starts = asyncio.Semaphore(_STARTS)
        self._quarantine = Quarantine()
        self._ephemeral = EphemeralFeed(database)
        self.phone_signs = PhoneSigns(database, self.registry, lambda: self.speaking_client)
        self.client_alarm = ClientAlarmDesk(database, registration.instance_id)
        self.limits = LimitDesk(
            self.registry,
            self.board,
            LimitHooks(self._start_retry, self.answer, lambda: self.speaking_client),
        )
        self.reports = Reports(
            self.registry,
            self.board,
            settings,
            ReportHooks(
                connected=self._on_connected,
                lost_number=self._on_lost_number,
                restart=self._start_retry,
                answer=self.answer,
                judged=self._judged,
            ),
        )
        self.passkeys = Passkeys(self.reports, self.board, lambda: self.speaking_client, self.answer)
        self.takers: dict[str, Callable[[Session, pb.Event], Awaitable[None] | None]] = {
            "passkey_request": self.passkeys.take,
            "passkey_confirmation": self.passkeys.take,
            "reachout_timelock": self.limits.take,
            "message_cap": self.limits.take,
            "chat_presence": self._ephemeral.take,
            "presence": self._ephemeral.take,
        }
        """Who takes which bodies of events, and answers their tags."""
        hooks = KeeperHooks(up=self._engine_up, stream=self._read, down=self._engine_down)
        self.keeper = EngineKeeper(
            options,
            settings.engine_lock_path,
            hooks,
            lock_timeout_s=settings.lease_s + _LOCK_MARGIN_S,
        )
        lease_hooks = LeaseHooks(self._on_fenced, self._on_changed, self._current_figures, self._on_engine_silent)
        self.lease = Lease(database, settings, registration, lambda: self.keeper.client, lease_hooks)

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the owned sessions and start the engine host. Sessions then connect in the background."""
        specs = await self._database.read(Platform("an instance loads the sessions that it owns"), self._load_specs)
        for spec in specs:
            self.add(spec)
        self.board.start()
        await self.lease.renew()
        self._tasks.start(self.lease.run(), "lease")
        if not self._registration.previous_gone:
            # the engine host of another machine that had our name ends at its deadline, a whole lease at most from now
            await asyncio.sleep(self._settings.lease_s + _LOCK_MARGIN_S / 2)
        await self.keeper.start()
        self._tasks.start(renew_claims(self._database, self.registry, self._settings), "status-claims")
        self._tasks.start(self.phone_signs.run(), "phone-signs")

    async def stop(self, timeout_s: float = 8.0) -> None:
        """Disconnect everything and say so in the database. Idempotent."""
        await self._tasks.stop()
        await self._ephemeral.stop()
        for part in (self.limits, self.client_alarm, self.passkeys):
            await part.stop()
        await self.keeper.stop(timeout_s)
        for session in self.registry:
            session.cancel_retry()
            if session.started or session.connected:
                session.started = session.connected = False
                verdict = Verdict("disconnected", "instance_restart", "Blazz was stopped.")
                self.board.post(self.reports.set_status(session, verdict))
        await self.board.stop(timeout_s)

    def _load_specs(self, tx: Tx) -> list[accounts.SessionSpec]:
        return accounts.sessions_to_run(tx, self._registration.instance_id, self._registration.generation)

    def add(self, spec: accounts.SessionSpec) -> Session:
        """Remember an owned session."""
        store = store_path(self._settings.sessions_dir, spec.workspace_id, spec.account_id, spec.epoch)
        session = Session(spec.account_id, spec.workspace_id, spec.epoch, store, spec.linked, spec.previous_closed)
        self.registry.add(session)
        self.limits.adopt(session, spec.restrictions)
        return session

    def adopt(self, spec: accounts.SessionSpec) -> None:
        """Take up a session that is ours now, and start it in the background."""
        self.resume(self.add(spec))

    def resume(self, session: Session) -> None:
        """Start a session in the background."""
        session.wanted = True
        self._tasks.start(self._start_quietly(session), "session-start")

    @contextlib.asynccontextmanager
    async def lock(self, account_id: uuid.UUID) -> AsyncIterator[None]:
        """Do one thing at a time to a session."""
        lock = self._locks.setdefault(account_id, asyncio.Lock())
        self._lock_users[account_id] += 1
        try:
            async with lock:
                yield
        finally:
            # whoever waits counts too: between a release and the next holder's turn the lock is not locked
            self._lock_users[account_id] -= 1
            if not self._lock_users[account_id]:
                del self._lock_users[account_id], self._locks[account_id]

    # -- the engine host ----------------------------------------------------------------------------------------

    @property
    def client(self) -> EngineClient:
        """The engine host's client. Raises BlazzError `engine_unavailable` while there is none that may be used."""
        client = self.speaking_client
        if client is None:
            raise unavailable("engine_unavailable", "The engine host is starting. Try again in a moment.")
        return client

    @property
    def speaking_client(self) -> EngineClient | None:
        """The engine host's client while we may speak for our sessions: without a lease somebody else may."""
        return self.keeper.client if self.lease.valid else None

    def answer(self, stored: Iterable[int] = (), refused: Iterable[int] = ()) -> None:
        """Answer deliveries on the present stream. Without one they come again."""
        if self._stream is not None:
            self._stream.answer(stored, refused)

    async def _engine_up(self, client: EngineClient) -> None:
        del client
        self._figures.watch(self.keeper.pid)
        await self.lease.tell_engine()
        self._tasks.start(self._start_all(), "session-starts")

    async def _engine_down(self, code: int, report: CrashReport) -> None:
        self._stream = None
        quarantined = self._quarantine.implicated(report.sessions)
        for session in self.registry:
            if not session.started and not session.connected:
                continue
            session.started = session.connected = False
            if session.ref.session_id in quarantined:
                session.wanted = False
                detail = "The engine host failed twice over this number; it is kept apart until someone connects it."
                verdict = Verdict("failed", "error", detail, final=True, stop=True)
            else:
                verdict = Verdict("disconnected", "error", f"The engine host ended ({code}) and is started again.")
            self.board.post(self.reports.set_status(session, verdict))

    async def _read(self, stream: EventStream) -> None:
        self._stream = stream
        async for batch in stream.batches():
            for event in batch:
                kind = event.WhichOneof("body")
                if kind in ("state", "qr"):
                    self.reports.handle(event)
                    continue
                session = self.registry.by_ref(event.session_id)
                if session is None or self.ingest is None:
                    if event.needs_ack:
                        self.answer(refused=(event.tag,))
                    continue
                self.phone_signs.note(session, event)
                if (taker := self.takers.get(kind or "")) is not None:
                    await self._hand(taker, session, event)
                elif is_stored(event):
                    await self.ingest.put(Delivery(session, event))
                elif event.needs_ack:
                    self.answer(stored=(event.tag,))

    async def _hand(
        self, taker: Callable[[Session, pb.Event], Awaitable[None] | None], session: Session, event: pb.Event
    ) -> None:
        if session.epoch != event.epoch:
            if event.needs_ack:
                self.answer(refused=(event.tag,))  # it comes again, under the epoch that the session has now
            return
        waiting = taker(session, event)
        if waiting is not None:
            await waiting

    def _judged(self, session: Session, state: pb.State, change: Change) -> None:
        self.limits.extend(session, state, change)
        if state.state == pb.SESSION_STATE_CLIENT_OUTDATED:
            self.client_alarm.refused(state.detail.rpartition(" ")[2])
        elif state.state == pb.SESSION_STATE_CONNECTED:
            self.client_alarm.accepted()

    def _start_retry(self, session: Session) -> object:
        return self._tasks.start(self._retry(session), "session-retry")

    def _on_fenced(self) -> None:
        """Another process runs under our name: fall silent at once."""
        for session in self.registry:
            session.wanted = session.started = session.connected = False
        self._tasks.start(self.keeper.stop(0.5), "fenced")
        self.fenced.set()

    def _on_engine_silent(self) -> None:
        _log.error("the engine host does not answer; it is killed and started again", pid=self.keeper.pid)
        self._tasks.start(self.keeper.kill(), "engine-silent")

    def _on_changed(self, state: str) -> None:
        self.draining = state == "draining"
        for hook in self.changed_hooks:
            hook()

    def _current_figures(self) -> cluster.Figures:
        connected = sum(session.connected for session in self.registry)
        memory, cpu = self._figures.take()
        return cluster.Figures(connected, memory, cpu, self.keeper.pid)

    # -- sessions -----------------------------------------------------------------------------------------------

    async def _start_all(self) -> None:
        await self.lease.until_valid()
        await asyncio.gather(*(self._start_quietly(session) for session in self.registry if session.wanted))

    async def _start_quietly(self, session: Session) -> None:
        async with self._starts:
            if session.wanted and not session.started and self.limits.banned_until(session) is None:
                with contextlib.suppress(EngineError):
                    await self.begin(session, use_qr=session.use_qr)

    async def begin(self, session: Session, *, use_qr: bool = True) -> None:
        """Start a session in the engine host. Raises EngineError; what it means is in the database then."""
        client = self.client
        session.wanted, session.use_qr, session.started = True, use_qr, True
        self.board.post(self.reports.set_status(session, Verdict("connecting")))
        try:
            reply = await client.start_session(
                session.ref,
                session.store,
                use_qr=use_qr,
                expect_linked=session.linked,
                previous_owner_gone=session.previous_closed,
            )
        except (EngineGone, NotConnected):
            session.started = False
            raise
        except StaleEpoch:
            _log.warning("session belongs to a newer owner", account=str(session.account_id))
            self.registry.remove(session.account_id)
            raise
        except EngineError as error:
            session.started = False
            self._start_failed(session, error)
            raise
        session.linked, session.previous_closed, session.failed_starts = reply.linked, True, 0

    def _start_failed(self, session: Session, error: EngineError) -> None:
        """Say why a session did not start, and plan the next try if time may help."""
        failure = start_failure(error, session.account_id, attempt=session.failed_starts)
        session.failed_starts += 1
        self.board.post(self.reports.set_status(session, failure.verdict))
        if failure.retry_after_s is not None:
            loop = asyncio.get_running_loop()
            session.retry = loop.call_later(failure.retry_after_s, self.resume, session)

    async def end(self, session: Session, verdict: Verdict | None) -> bool:
        """Stop a session in the engine host, as far as it runs, and store `verdict`.

        Tells whether its store is closed for certain: storage that hangs may still be written to later.
        """
        session.cancel_retry()
        session.wanted = session.started = session.connected = False
        client = self.keeper.client
        closed = True
        if client is not None:
            try:
                await client.stop_session(session.ref)
            except EngineError as error:
                closed = False
                _log.warning("session not stopped for certain", account=str(session.account_id), error=str(error))
        if verdict is not None:
            await self.board.write(self.reports.set_status(session, verdict))
        return closed

    async def unpair(self, session: Session, *, start: bool) -> bool:
        """Remove the pairing at WhatsApp and here, and stop; returns whether WhatsApp was reached.

        `start` connects a session for it that is not running. A store whose pairing WhatsApp still knows is set aside:
        it must not come back by itself.
        """
        reached = not session.linked
        with contextlib.suppress(EngineError, BlazzError, TimeoutError):
            if session.linked and start and not session.started:
                await self.begin(session, use_qr=False)
            if session.linked and session.started:
                async with asyncio.timeout(_REACH_S):
                    await session.settled()
                session.started = False
                if session.linked:  # else the phone has removed us already
                    await self.client.log_out(session.ref)
                reached = True
        await self.end(session, None)
        if not reached:
            await put_aside(self._database, self._settings, session)
        session.linked, session.identity = False, ()
        return reached

    async def _retry(self, session: Session) -> None:
        """The one retry after `replaced`, if the session is still ours and wanted."""
        current = await self._database.read(
            Platform("an owner checks its epoch after `replaced`"), cluster.assignment, session.account_id
        )
        ours = current is not None and current.epoch == session.epoch and current.wanted == "running"
        if ours and session.wanted and not session.started:
            with contextlib.suppress(EngineError):
                await self.begin(session)

    def _on_connected(self, session: Session) -> None:
        for hook in self.connected_hooks:
            hook(session)

    def _on_lost_number(self, account_id: uuid.UUID) -> None:
        session = self.registry.get(account_id)
        if session is not None:
            self._tasks.start(self._drop_loser(session), "session-lost-number")

    async def _drop_loser(self, session: Session) -> None:
        """A newer account has the number: remove this one's pairing, which nobody would see any more."""
        session.status = "failed"
        await self.unpair(session, start=False)
        self.board.post(Change(session, lambda tx: cluster.want_stopped(tx, session.workspace_id, session.account_id)))
