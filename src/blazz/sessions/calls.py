"""Incoming calls: shown while they ring, written down, and declined where the number's setting says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import call_settings
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError
from blazz.engine_client.calls import CallsClient
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.kit import failpoints
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging import phone_calls
from blazz.messaging.phone_calls import CallNews, CallStored, Stage
from blazz.sessions.addresses import bare, canonical, lid_of, phone_of
from blazz.sessions.desk import Desk
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)
_QUEUE = 1_000  # beyond it the stream is not read
_STAGES: dict[int, Stage] = {
    pb.CALL_STAGE_OFFERED: "offered",
    pb.CALL_STAGE_ACCEPTED: "accepted",
    pb.CALL_STAGE_REJECTED: "rejected",
    pb.CALL_STAGE_TERMINATED: "terminated",
}


class CallDesk:
    """Stores the stages of calls in the order of their arrival; `desk` takes them."""

    def __init__(
        self,
        database: Database,
        client: Callable[[], EngineClient | None],
        answer: Callable[[Iterable[int], Iterable[int]], None],
    ) -> None:
        self._database = database
        self._client = client
        self.desk = Desk("calls", _QUEUE, self._take, answer)

    async def _take(self, session: Session, event: pb.Event) -> bool:
        """Store one stage; False when the session has a newer owner."""
        news = news_of(session, event.call)
        if news is None:
            return True

        def unit(tx: Tx) -> tuple[bool, CallStored | None]:
            if ownership.check(tx, [(session.account_id, event.epoch)]):
                return False, None
            return True, phone_calls.store(tx, news, call_settings.settings_of(tx, session.account_id))

        owned, stored = await self._database.write(Workspace(session.workspace_id), unit)
        failpoints.reach("calls.stored_before_ack")
        if stored is not None:
            _show(session, news, stored)
            if stored.reject:
                await self._reject(session, event.call)
        return owned

    async def _reject(self, session: Session, call: pb.Call) -> None:
        client = self._client()
        if client is None:
            return
        try:
            await CallsClient(client).reject(session.ref, call.caller, call.id)
        except EngineError as error:
            _log.warning("call not declined", account=str(session.account_id), error=str(error))


def news_of(session: Session, call: pb.Call) -> CallNews | None:
    """Return a stage of a call; None for one that nobody can tell from another."""
    if not call.id or len(call.id) > 100 or call.stage not in _STAGES:
        return None
    return CallNews(
        account_id=session.account_id,
        call_id=call.id,
        stage=_STAGES[call.stage],
        author=canonical(call.caller, call.caller_alt),
        phone=phone_of(call.caller, call.caller_alt),
        lid=lid_of(call.caller, call.caller_alt),
        group=bare(call.group),
        video=call.video,
        reason=call.reason,
        at=from_unix_ms(call.timestamp_ms) if call.timestamp_ms else utc_now(),
    )


def _show(session: Session, news: CallNews, stored: CallStored) -> None:
    """Tell whoever looks now; nobody is told of a call that has ended before it was seen."""
    rings = stored.status == "ringing" and news.stage == "offered"
    data = {
        "chat_id": str(stored.chat_id),
        "call_id": news.call_id,
        "video": news.video,
        "state": "ringing" if rings else "ended",
    }
    Ephemerals.shared().publish(EphemeralEvent(session.workspace_id, "call", session.account_id, data))
