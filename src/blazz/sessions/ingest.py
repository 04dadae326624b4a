"""Inbound: events of the engine host become rows, many in one unit of work, and are acknowledged only then.

Refused deliveries are delivered again by WhatsApp after the engine host has reset that session's connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster import ownership
from blazz.kit import failpoints
from blazz.kit.db import Database, Tx, Workspaces
from blazz.kit.errors import BlazzError
from blazz.messaging import inbound as messaging
from blazz.messaging.feeds import feed_kind
from blazz.messaging.model import InboundMessage, InboundReceipt, PreparedMessage
from blazz.messaging.receipts import store_receipts
from blazz.sessions.inbound import identity_of, message_of, receipt_of, undecryptable_of
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)
_GROUP = 200
_QUEUE = 4_000  # events; beyond it the stream is not read, and the engine host holds the rest
_REFUSALS = 3  # of one event for its content, before it is stored as it is
_REMEMBERED = 10_000
_STOP_S = 6.0

Answer = Callable[[Iterable[int], Iterable[int]], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event with the session that it belongs to."""

    session: Session
    event: pb.Event


@dataclass(slots=True)
class Counters:
    """What went through, since the start."""

    stored: int = 0
    refused: int = 0
    unprocessable: int = 0
    units: int = 0


class Ingest:
    """Stores deliveries in order. One unit of work is under way at a time; what arrives meanwhile is the next group."""

    def __init__(
        self, database: Database, seal: Callable[[bytes, str], bytes], answer: Answer, media: Callable[[], None]
    ) -> None:
        self._database = database
        self._seal = seal
        self._answer = answer
        self._media = media
        self.channel_posted: Callable[[Session, str], None] = lambda session, address: None
        """Called for every post of a channel that was taken."""
        self._waiting: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._refusals: OrderedDict[tuple[UUID, str], int] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.counters = Counters()

    def start(self) -> None:
        """Begin to store."""
        self._task = asyncio.create_task(self._run(), name="ingest")

    async def stop(self) -> None:
        """Finish the unit of work under way and end; what still waits is delivered again after the next start."""
        task, self._task = self._task, None
        if task is not None:
            self._waiting.clear()
            self._stopping = True
            self._wake.set()
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(_STOP_S):
                    await task

    async def put(self, delivery: Delivery) -> None:
        """Queue a delivery; waits while too many are queued."""
        if not self._room.is_set():
            await self._room.wait()
        if self._stopping:
            return  # unanswered: delivered again after the next start
        self._waiting.append(delivery)
        if len(self._waiting) >= _QUEUE:
            self._room.clear()
        self._wake.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
                self._room.set()
                try:
                    await self._take(group)
                except Exception:  # noqa: BLE001 - one bad group must not end the receiving
                    _log.exception("ingest failed", events=len(group))
                    self._refuse(group)

    async def _take(self, group: Sequence[Delivery]) -> None:
        try:
            failpoints.reach("ingest.before_store")
            stale = await self._store(group)
        except Exception as error:  # noqa: BLE001 - any content may fail in any way
            if is_infrastructure(error):
                _log.warning("deliveries not stored", events=len(group), error=str(error))
                self._refuse(group)
                return
            _log.warning("group not stored, trying each alone", events=len(group), error=type(error).__name__)
            await self._one_by_one(group)
            return
        self._settle(group, stale)

    async def _one_by_one(self, group: Sequence[Delivery]) -> None:
        for delivery in group:
            try:
                stale = await self._store([delivery])
            except Exception as error:  # noqa: BLE001 - any content may fail in any way
                if is_infrastructure(error):
                    self._refuse([delivery])
                else:
                    await self._content_failed(delivery, error)
            else:
                self._settle([delivery], stale)

    async def _content_failed(self, delivery: Delivery, error: Exception) -> None:
        """Refuse, so that it comes again; the third time store it as it is, acknowledge it and show it."""
        key = identity_of(delivery.event, delivery.session.account_id)
        count = self._refusals.pop(key, 0) + 1
        account = str(delivery.session.account_id)
        if count < _REFUSALS:
            self._refusals[key] = count
            while len(self._refusals) > _REMEMBERED:
                self._refusals.popitem(last=False)
            _log.warning("an event cannot be stored", account=account, error=type(error).__name__, refusals=count)
            self._refuse([delivery])
            return
        _log.error("an event is stored as unprocessable", account=account, error=type(error).__name__)
        self.counters.unprocessable += 1
        if delivery.event.HasField("message"):
            try:
                await self._store_as_it_is(delivery)
            except Exception as again:  # noqa: BLE001 - any content may fail in any way
                if is_infrastructure(again):
                    self._refuse([delivery])
                    return
                _log.exception("an unprocessable event is dropped", account=account)
        self._settle([delivery], set())

    async def _store(self, group: Sequence[Delivery]) -> set[UUID]:
        """Store a group in one unit of work; returns the accounts that we no longer own."""
        messages: list[InboundMessage] = []
        receipts: list[InboundReceipt] = []
        for delivery in group:
            event = delivery.event
            if event.HasField("message"):
                messages.append(message_of(delivery.session, event.message))
            elif event.HasField("undecryptable"):
                messages.append(undecryptable_of(delivery.session, event.undecryptable))
            else:
                receipts.append(receipt_of(delivery.session, event.receipt))
        prepared = messaging.prepare(messages)
        pairs = [(delivery.session.account_id, delivery.event.epoch) for delivery in group]
        scope = Workspaces.of(delivery.session.workspace_id for delivery in group)
        self.counters.units += 1
        stale, media = await self._database.write(scope, self._unit, pairs, prepared, receipts)
        if media:
            self._media()
        return stale

    def _unit(
        self,
        tx: Tx,
        pairs: Sequence[tuple[UUID, int]],
        messages: Sequence[PreparedMessage],
        receipts: Sequence[InboundReceipt],
    ) -> tuple[set[UUID], bool]:
        stale = ownership.check(tx, pairs)
        if stale:
            messages = [message for message in messages if message.account_id not in stale]
            receipts = [receipt for receipt in receipts if receipt.account_id not in stale]
        media = bool(messages) and messaging.store_messages(tx, messages, self._seal).media > 0
        if receipts:
            store_receipts(tx, receipts)
        return stale, media

    async def _store_as_it_is(self, delivery: Delivery) -> None:
        message = message_of(delivery.session, delivery.event.message)
        scope = Workspaces.of([message.workspace_id])
        await self._database.write(scope, messaging.store_unprocessable, [message])

    def _settle(self, group: Sequence[Delivery], stale: set[UUID]) -> None:
        failpoints.reach("ingest.stored_before_ack")
        stored = [d.event.tag for d in group if d.event.needs_ack and d.session.account_id not in stale]
        refused = [d.event.tag for d in group if d.event.needs_ack and d.session.account_id in stale]
        self.counters.stored += len(group) - len(refused)
        self.counters.refused += len(refused)
        self._answer(stored, refused)
        for delivery in group:
            if delivery.session.account_id not in stale and feed_kind(delivery.event.message.chat) == "channel":
                self.channel_posted(delivery.session, delivery.event.message.chat)

    def _refuse(self, group: Sequence[Delivery]) -> None:
        self.counters.refused += len(group)
        self._answer((), [delivery.event.tag for delivery in group if delivery.event.needs_ack])


def is_infrastructure(error: BaseException) -> bool:
    """Tell a failing database or disk from content that cannot be stored."""
    return isinstance(error, OSError) or (isinstance(error, BlazzError) and error.status >= 500)
