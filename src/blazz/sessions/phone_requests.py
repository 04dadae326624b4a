"""What shall be told to or asked of phones: settings that were changed here, and questions for older messages.

It waits in the database until the session is connected and WhatsApp has taken it.
"""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import Callable
from functools import partial

import structlog

from blazz._generated.engine import state_pb2
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PeerDataOperationRequestType, ProtocolMessage
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError, EngineGone, NotConnected, NotRunning
from blazz.engine_client.state import StateClient
from blazz.events import Wakeups
from blazz.events.wakeups import Topic
from blazz.kit import failpoints
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import requests
from blazz.messaging.requests import TOPIC, PhoneRequest
from blazz.sessions.addresses import bare
from blazz.sessions.registry import Registry, Session

_log = structlog.get_logger(__name__)
_POLL_S = 15.0
_AGAIN_S = 1.0
_SETTLE_S = 0.05  # many sessions that connect at once are one look
_DUE = 64


class PhoneRequests:
    """Sends what waits for the phones of connected sessions."""

    def __init__(self, database: Database, registry: Registry, client: Callable[[], EngineClient | None]) -> None:
        self._database = database
        self._registry = registry
        self._client = client
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._end_observing: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._end_observing = Wakeups.shared().observe(self._on_topic)
        self._task = asyncio.create_task(self._send_all(), name="phone-requests")

    async def stop(self) -> None:
        """End; what was not sent is sent after the next start. Idempotent."""
        if self._end_observing is not None:
            self._end_observing()
            self._end_observing = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def wake(self) -> None:
        """Look soon: a session is connected."""
        self._wake.set()

    def _on_topic(self, topic: Topic) -> None:
        if isinstance(topic, str) and topic.startswith(TOPIC):
            self._wake.set()

    async def _send_all(self) -> None:
        scope = Platform("an instance sends requests to the phones of all its sessions")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            await asyncio.sleep(_SETTLE_S)
            self._wake.clear()
            accounts = [session.account_id for session in self._registry if session.connected and not session.leaving]
            try:
                due = await self._database.read(scope, requests.due, accounts, utc_now(), _DUE)
            except BlazzError as error:
                _log.warning("requests to phones not read", code=error.code)
                continue
            except Exception:  # noqa: BLE001 - a defect in one pass must not end the sending
                _log.exception("requests to phones not read")
                continue
            if any([await self._try(request) for request in due]) and len(due) == _DUE:
                self._wake.set()

    async def _try(self, request: PhoneRequest) -> bool:
        """Send one and return whether nothing failed here; whatever happens to it, the others get their turn."""
        account = str(request.account_id)
        try:
            await self._send(request)
            return True
        except (BlazzError, OSError) as error:
            _log.warning("a request to a phone was not sent or not recorded", account=account, reason=str(error)[:200])
            self._look_again(2 * _AGAIN_S)
        except Exception:  # noqa: BLE001 - a defect with one request must not end the sending
            _log.exception("requests to phones", account=account)
        return False

    async def _send(self, request: PhoneRequest) -> None:
        session = self._registry.get(request.account_id)
        engine = self._client()
        if session is None or engine is None or not session.connected:
            return
        if request.is_exhausted:
            await self._record(session, request, requests.unanswered)
            return
        sent = requests.done
        try:
            if request.kind == "state":
                await StateClient(engine).apply(session.ref, request.body["collection"], _mutations(request))
            else:
                message_id = await self._ask_older(engine, session, request)
                sent = partial(requests.asked, message_id=message_id)
        except (EngineGone, NotConnected, NotRunning):
            self._look_again(_AGAIN_S)  # due as soon as the session is connected
            return
        except EngineError as error:
            _log.warning("a phone did not take a request", account=str(request.account_id), reason=str(error)[:200])
            await self._record(session, request, requests.done if error.word == "invalid" else requests.again)
            self._look_again(2 * _AGAIN_S)
            return
        failpoints.reach("state.sent_before_record")
        await self._record(session, request, sent)
        if request.kind == "older":
            self._look_again(requests.ANSWER_WITHIN_S[len(request.asked)])

    def _look_again(self, after_s: float) -> None:
        asyncio.get_running_loop().call_later(after_s, self._wake.set)

    async def _record(
        self, session: Session, request: PhoneRequest, what: Callable[[Tx, PhoneRequest], object]
    ) -> None:
        """Store what became of a request, as the session's owner."""

        def unit(tx: Tx) -> None:
            if not ownership.check(tx, [(request.account_id, session.epoch)]):
                what(tx, request)

        await self._database.write(Workspace(request.workspace_id), unit)

    async def _ask_older(self, engine: EngineClient, session: Session, request: PhoneRequest) -> str:
        """Ask for older messages of a chat and return the question's id; the phone answers by announcing a blob."""
        if not session.identity:
            raise NotConnected("not_connected", "the session's own address is not known yet")
        body = request.body
        content = Message()
        protocol = content.protocolMessage
        protocol.type = ProtocolMessage.PEER_DATA_OPERATION_REQUEST_MESSAGE
        asked = protocol.peerDataOperationRequestMessage
        asked.peerDataOperationRequestType = PeerDataOperationRequestType.HISTORY_SYNC_ON_DEMAND
        older = asked.historySyncOnDemandRequest
        older.chatJID, older.oldestMsgID = body["chat"], body["oldest_id"]
        older.oldestMsgFromMe, older.onDemandMsgCount = body["oldest_from_me"], body["count"]
        # despite its name the field holds seconds
        older.oldestMsgTimestampMS = body["oldest_at_ms"] // 1000
        own = bare(session.identity[0])
        message_id = uuid7().hex.upper()
        await engine.send(session.ref, own, message_id, content.SerializeToString(), peer=True)
        return message_id


def _mutations(request: PhoneRequest) -> list[state_pb2.StateMutation]:
    return [
        state_pb2.StateMutation(index=one["index"], version=one["version"], value=b64decode(one["value"]))
        for one in request.body["mutations"]
    ]
