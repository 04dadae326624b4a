"""What a session shares with its phone: changed settings come in, our own changes and questions go out.

Incoming changes are acknowledged once they are stored. What shall go out waits in the database until the session is
connected and WhatsApp has taken it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from itertools import groupby

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz._generated.engine import state_pb2
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PeerDataOperationRequestType, ProtocolMessage
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError, EngineGone, NotConnected, NotRunning
from blazz.engine_client.state import StateClient
from blazz.events import Wakeups
from blazz.events.wakeups import Topic
from blazz.kit import failpoints
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.messaging import imports, requests, shared_state
from blazz.messaging.requests import TOPIC, PhoneRequest
from blazz.sessions.addresses import bare
from blazz.sessions.registry import Registry, Session
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
NEWS = frozenset({"history_notice", "state_change", "state_synced"})
"""The bodies of events that belong here."""
_QUEUE = 4_000  # beyond it the stream is not read
_GROUP = 200
_POLL_S = 15.0
_AGAIN_S = 1.0
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 5.0  # while the database takes nothing
_SETTLE_S = 0.05  # many sessions that connect at once are one look
_SYNCS = 8  # at once
_DUE = 64


class SharedState:
    """Both directions of what sessions share with their phones. `announced` is called when history was announced."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        client: Callable[[], EngineClient | None],
        secret_box: SecretBox,
        answer: Callable[[Iterable[int], Iterable[int]], None],
    ) -> None:
        self._database = database
        self._registry = registry
        self._client = client
        self._secret_box = secret_box
        self._answer = answer
        self.announced: Callable[[], None] = lambda: None
        self._waiting: asyncio.Queue[tuple[Session, pb.Event]] = asyncio.Queue(_QUEUE)
        self._wake = asyncio.Event()
        self._main: list[asyncio.Task[None]] = []
        self._tasks = TaskSet()
        self._syncing: set[uuid.UUID] = set()
        self._sync_gate = asyncio.Semaphore(_SYNCS)
        self._end_observing: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to store and to send."""
        self._end_observing = Wakeups.shared().observe(self._on_topic)
        self._main = [
            asyncio.create_task(self._store_all(), name="shared-state"),
            asyncio.create_task(self._send_all(), name="phone-requests"),
        ]

    async def stop(self) -> None:
        """End; what was not stored or sent comes again. Idempotent."""
        if self._end_observing is not None:
            self._end_observing()
            self._end_observing = None
        for task in self._main:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._main = []
        await self._tasks.stop()

    async def put(self, session: Session, event: pb.Event) -> None:
        """Take an event whose body is one of `NEWS`."""
        await self._waiting.put((session, event))

    def connected(self, session: Session) -> None:
        """A session is connected: read what was missed, send what waits."""
        self.stale(session)
        self._wake.set()

    def stale(self, session: Session) -> None:
        """Settings of a session may have been missed: have them sent again."""
        if session.account_id not in self._syncing:
            self._syncing.add(session.account_id)
            self._tasks.start(self._sync(session), "shared-state-sync")

    # -- in -----------------------------------------------------------------------------------------------------

    async def _store_all(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _GROUP and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            for session, items in groupby(batch, key=lambda item: item[0]):
                await self._store(session, [event for _, event in items])

    async def _store(self, session: Session, events: Sequence[pb.Event]) -> None:
        """Store changes in the order in which they came. What the database does not take now is tried until it does:
        the host sends it again only on its next stream, and a version must not overtake the changes it stands for.
        """
        tags = [event.tag for event in events]
        pause = _FIRST_PAUSE_S
        while True:
            try:
                failpoints.reach("state.before_store")
                owned = await self._database.write(Workspace(session.workspace_id), self._unit, session, events)
            except (BlazzError, OSError) as error:
                if isinstance(error, BlazzError) and error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    await self._one_by_one(session, events)  # it would be refused for ever
                    return
                _log.warning("shared state not stored", account=str(session.account_id), reason=str(error)[:200])
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE_S)
            except Exception:  # noqa: BLE001 - one bad setting must not hold up the rest
                _log.exception("shared state", account=str(session.account_id))
                await self._one_by_one(session, events)
                return
            else:
                break
        self._answer(tags if owned else (), () if owned else tags)
        if any(event.HasField("history_notice") for event in events):
            self.announced()

    async def _one_by_one(self, session: Session, events: Sequence[pb.Event]) -> None:
        """Store what can be stored; what cannot is lost, and said in the log."""
        if len(events) == 1:
            _log.error("a setting or an announcement is lost", account=str(session.account_id))
            self._answer([events[0].tag], ())
            return
        for event in events:
            await self._store(session, [event])

    def _unit(self, tx: Tx, session: Session, events: Sequence[pb.Event]) -> bool:
        if ownership.check(tx, [(session.account_id, events[0].epoch)]):
            return False
        changes = []
        for event in events:
            match event.WhichOneof("body"):
                case "state_change":
                    changes.append(shared_state.Change(tuple(event.state_change.index), event.state_change.value))
                case "history_notice":
                    self._announce(tx, session, event.history_notice)
        if changes:
            shared_state.store(tx, session.account_id, changes)
        for event in events:
            if event.HasField("state_synced"):
                seen = event.state_synced
                shared_state.note_seen(tx, session.account_id, seen.collection, seen.version)
        return True

    def _announce(self, tx: Tx, session: Session, notice: pb.HistoryNotice) -> None:
        imports.announce(
            tx,
            session.account_id,
            notice.message_id,
            notice.notification,
            sync_type=notice.sync_type,
            progress=notice.progress,
            seal=self._secret_box.seal,
        )

    async def _sync(self, session: Session) -> None:
        try:
            engine = self._client()
            if engine is None or not session.connected:
                return
            scope = Workspace(session.workspace_id)
            async with self._sync_gate:
                seen = await self._database.read(scope, shared_state.seen, session.workspace_id, session.account_id)
                await StateClient(engine).sync(session.ref, seen)
        except (EngineError, BlazzError) as error:
            _log.info("settings not read anew", account=str(session.account_id), reason=str(error)[:200])
        finally:
            self._syncing.discard(session.account_id)

    # -- out ----------------------------------------------------------------------------------------------------

    def _on_topic(self, topic: Topic) -> None:
        if isinstance(topic, str) and topic.startswith(TOPIC):
            self._wake.set()

    async def _send_all(self) -> None:
        scope = Platform("an instance sends requests to the phones of all its sessions")
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _POLL_S)
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
