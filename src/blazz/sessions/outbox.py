"""Outbound: claims due messages of connected sessions in bulk, sends each chat in order, many chats at once.

Idle sessions cost nothing here: hints after a commit say which accounts have news, and one query every few seconds
finds what a lost hint left behind. A chat stays busy until its results are stored, so no message is claimed twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import structlog

from blazz.cluster import ownership
from blazz.events import Wakeups
from blazz.events.wakeups import Topic
from blazz.kit import failpoints
from blazz.kit.db import Database, Platform, Tx, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from blazz.messaging import holding
from blazz.messaging import outbox as messaging
from blazz.messaging.outbox import OutboxItem, SendResult
from blazz.providers.base import NotSent, Outcome, Provider, Rejected, Restricted, Sent, Unknown
from blazz.sessions.limits import LimitDesk
from blazz.sessions.registry import Registry, Session
from blazz.sessions.results import Results
from blazz.sessions.uploads import Uploads

_log = structlog.get_logger(__name__)
_POLL_S = 3.0
_CLAIM = 256  # messages in one claim
_CHATS = 64  # sent at once, over all sessions
_CHATS_PER_ACCOUNT = 8
_AGAIN_S = 2.0
_UNKNOWN_MAX_S = 60.0
_PATIENCE = dt.timedelta(days=7)  # a message that WhatsApp still refuses for its sender's sake after that fails
_STILL_REFUSED = "WhatsApp does not let this number write to this person."
_PREFIX = "outbox:"


class Outbox:
    """Sends what waits for the sessions of this instance."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        provider: Callable[[Session], Provider | None],
        uploads: Uploads,
        limits: LimitDesk,
    ) -> None:
        self._database = database
        self._registry = registry
        self._provider = provider
        self._uploads = uploads
        self._limits = limits
        self._results = Results(database, registry)
        self._hinted: set[uuid.UUID] = set()
        self._busy: set[uuid.UUID] = set()
        self._load: dict[uuid.UUID, int] = defaultdict(int)
        self._idle: dict[uuid.UUID, asyncio.Event] = {}
        self._gate = asyncio.Semaphore(_CHATS)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._main: list[asyncio.Task[None]] = []
        self._end_observing: Callable[[], None] | None = None
        self.sent = 0

    def start(self) -> None:
        """Begin to send."""
        self._end_observing = Wakeups.shared().observe(self._on_topic)
        self._results.start()
        self._main = [
            asyncio.create_task(self._run(), name="outbox"),
            asyncio.create_task(self._poll(), name="outbox-poll"),
        ]

    async def stop(self, timeout_s: float) -> None:
        """Claim no more, give sends under way `timeout_s` seconds, store their results. Idempotent."""
        if self._end_observing is not None:
            self._end_observing()
            self._end_observing = None
        await _end(self._main)
        self._main = []
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
            await _end(list(self._tasks))
        await self._results.stop()

    def hint(self, account_id: uuid.UUID) -> None:
        """Say that an account may have due messages."""
        self._hinted.add(account_id)
        self._wake.set()

    async def quiet(self, account_id: uuid.UUID, timeout_s: float) -> None:
        """Wait until nothing of an account is being sent, at most `timeout_s` seconds."""
        idle = asyncio.Event()
        self._idle[account_id] = idle
        try:
            if self._load.get(account_id):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout_s):
                        await idle.wait()
        finally:
            self._idle.pop(account_id, None)

    def _on_topic(self, topic: Topic) -> None:
        if isinstance(topic, str) and topic.startswith(_PREFIX):
            account_id = uuid.UUID(topic[len(_PREFIX) :])
            if self._registry.get(account_id) is not None:
                self.hint(account_id)

    async def _poll(self) -> None:
        scope = Platform("an instance looks for due messages of all its sessions")
        while True:
            await asyncio.sleep(_POLL_S)
            if len(self._registry):
                with contextlib.suppress(BlazzError):
                    for account_id in await self._database.read(scope, messaging.accounts_with_due, utc_now()):
                        if self._registry.get(account_id) is not None:
                            self.hint(account_id)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._dispatch()
            except BlazzError as error:
                _log.warning("outbox not claimed", error=str(error))
                await asyncio.sleep(_AGAIN_S)
                self._wake.set()
            except Exception:  # noqa: BLE001 - a defect in one pass must not end the sending
                _log.exception("outbox")
                await asyncio.sleep(_AGAIN_S)
                self._wake.set()

    async def _dispatch(self) -> None:
        room = _CHATS - len(self._tasks)
        ready = [
            session
            for session in self._registry.connected(self._hinted)
            if self._load[session.account_id] < _CHATS_PER_ACCOUNT and not self._stopped(session)
        ][:room]
        if not ready:
            self._forget_idle()
            return
        for session in ready:
            self._hinted.discard(session.account_id)
        scope = Workspaces.of(session.workspace_id for session in ready)
        try:
            items, held = await self._database.write(
                scope, self._claim, ready, frozenset(self._busy), self._restricted(ready)
            )
        except BaseException:
            self._hinted.update(session.account_id for session in ready)
            raise
        if items:
            failpoints.reach("outbox.claimed")
        chats: dict[uuid.UUID, list[OutboxItem]] = defaultdict(list)
        for item in items:
            chats[item.chat_id].append(item)
        for chat_id, chat_items in chats.items():
            self._begin(chat_id, chat_items)
        if held or len(items) >= _CLAIM:
            for session in ready:
                self.hint(session.account_id)

    @staticmethod
    def _claim(
        tx: Tx, sessions: Sequence[Session], busy: frozenset[uuid.UUID], restricted: Mapping[uuid.UUID, dt.datetime]
    ) -> tuple[list[OutboxItem], int]:
        """Return claimed messages, and how many chats wait because their number may not start them now."""
        stale = ownership.check(tx, ((session.account_id, session.epoch) for session in sessions))
        owned = [session for session in sessions if session.account_id not in stale]
        if not owned:
            return [], 0
        accounts = [session.account_id for session in owned]
        items = messaging.claim(tx, accounts, _CLAIM, utc_now(), busy_chats=busy)
        return holding.take_back(tx, items, restricted)

    def _restricted(self, sessions: Sequence[Session]) -> dict[uuid.UUID, dt.datetime]:
        """Return until when those accounts that may not start chats must wait with that."""
        ends = {session.account_id: self._limits.stopped_until(session, new_chat=True) for session in sessions}
        return {account: end for account, end in ends.items() if end is not None}

    def _stopped(self, session: Session) -> bool:
        return self._limits.stopped_until(session, new_chat=False) is not None

    def _forget_idle(self) -> None:
        """Hints of sessions that cannot send are not needed: connecting, or a restriction's end, gives new ones."""
        connected = self._registry.connected(self._hinted)
        self._hinted = {session.account_id for session in connected if not self._stopped(session)}

    def _begin(self, chat_id: uuid.UUID, items: list[OutboxItem]) -> None:
        account_id = items[0].account_id
        self._busy.add(chat_id)
        self._load[account_id] += 1
        task = asyncio.create_task(self._send_chat(items), name=f"outbox-{chat_id}")
        self._tasks.add(task)

        def end(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            self._busy.discard(chat_id)
            self._load[account_id] -= 1
            if not self._load[account_id]:
                del self._load[account_id]
                if (idle := self._idle.get(account_id)) is not None:
                    idle.set()
            if not done.cancelled() and done.exception() is not None:
                _log.error("sending failed", chat=str(chat_id), exc_info=done.exception())
            # only now: while the chat counts as busy, a claim would pass by what has gathered behind it
            self.hint(account_id)

        task.add_done_callback(end)

    async def _send_chat(self, items: Sequence[OutboxItem]) -> None:
        """Send the claimed messages of one chat in order; after one without success the others wait."""
        last: asyncio.Future[None] | None = None
        for index, item in enumerate(items):
            outcome = await self._send(item)
            last = self._results.put(item, self._result(item, outcome))
            if isinstance(outcome, (NotSent, Unknown, Restricted)):
                for rest in items[index + 1 :]:
                    last = self._results.put(rest, self._result(rest, NotSent("behind another"), pause_s=0))
                break
        if last is not None:
            await last

    async def _send(self, item: OutboxItem) -> Outcome:
        session = self._registry.get(item.account_id)
        ready = session is not None and session.connected and not session.leaving
        provider = self._provider(session) if session is not None and ready else None
        if session is None or provider is None:
            return NotSent("not_connected")
        payload = item.payload
        if payload is None:
            prepared = await self._uploads.prepare(session, item)
            if not isinstance(prepared, bytes):
                return prepared
            payload = prepared
            failpoints.reach("outbox.payload_stored")
        async with self._gate:
            outcome = await provider.send(item.recipient, item.wa_message_id, payload)
        if isinstance(outcome, Sent):
            self.sent += 1
            self._limits.sent(session)
            failpoints.reach("outbox.sent_before_record")
        return outcome

    def _result(self, item: OutboxItem, outcome: Outcome, pause_s: float = _AGAIN_S) -> SendResult:
        now = utc_now()
        if isinstance(outcome, Restricted):
            session = self._registry.get(item.account_id)
            until = None if session is None else self._limits.refused(session, outcome.code)
            if now - item.created_at > _PATIENCE and item.attempts <= 1:
                return SendResult.failed(item, f"refused_{outcome.code}", _STILL_REFUSED)
            due = until or now + dt.timedelta(seconds=_UNKNOWN_MAX_S)
            return SendResult.requeue(item, due) if item.attempts <= 1 else SendResult.unknown(item, due)
        if isinstance(outcome, Sent):
            return SendResult.sent(item, outcome.at)
        if isinstance(outcome, Rejected):
            return SendResult.failed(item, outcome.code, outcome.detail)
        if isinstance(outcome, Unknown):
            pause_s = min(_UNKNOWN_MAX_S, 2.0 ** min(item.attempts, 6))
        elif item.attempts <= 1:
            return SendResult.requeue(item, now + dt.timedelta(seconds=pause_s))
        # only attempts without a known outcome are counted, so an earlier one of this message may be out: the row
        # keeps its place as unknown even when this attempt did not leave
        return SendResult.unknown(item, now + dt.timedelta(seconds=pause_s))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
