"""A queue for events that come now and then: taken one by one, confirmed to WhatsApp only once they are stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.sessions.ingest import is_infrastructure
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)


class Desk:
    """Hands each event to `take`, which tells whether it is stored; False when the session has a newer owner.

    An event that fails with the database or a disk is refused and comes again. One that fails for its content would
    fail for ever: it is said in the log and confirmed, and `given_up` is called. At most `limit` events wait.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        take: Callable[[Session, pb.Event], Awaitable[bool]],
        answer: Callable[[Iterable[int], Iterable[int]], None],
        given_up: Callable[[Session], None] = lambda session: None,
    ) -> None:
        self._name = name
        self._take = take
        self._answer = answer
        self._given_up = given_up
        self._waiting: asyncio.Queue[tuple[Session, pb.Event]] = asyncio.Queue(limit)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End; what still waits is delivered again. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def put(self, session: Session, event: pb.Event) -> None:
        """Queue an event; waits while too many are queued, so that the stream is not read meanwhile."""
        await self._waiting.put((session, event))

    async def _run(self) -> None:
        while True:
            session, event = await self._waiting.get()
            stored = await self._store(session, event)
            if event.needs_ack:
                self._answer([event.tag] if stored else (), () if stored else [event.tag])

    async def _store(self, session: Session, event: pb.Event) -> bool:
        try:
            return await self._take(session, event)
        except Exception as error:  # noqa: BLE001 - one bad event must not end the rest
            account = str(session.account_id)
            if is_infrastructure(error):
                _log.warning("event not stored", desk=self._name, account=account, reason=str(error)[:200])
                return False
            _log.exception("event given up", desk=self._name, account=account)
            self._given_up(session)
            return True
