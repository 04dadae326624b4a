"""Files of inbound messages: fetched by the engine host, stored by the media room, tried again for a day."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import uuid
from collections.abc import Callable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz._generated.engine import media_pb2 as media_pb
from blazz.engine_client import EngineClient, EngineError, Refused
from blazz.engine_client.media import MediaClient
from blazz.events import Wakeups
from blazz.events.wakeups import Topic
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.media.downloads import WANTED
from blazz.media.service import DownloadJob
from blazz.media.store import MediaStore
from blazz.messaging import lookup
from blazz.messaging.addresses import is_group
from blazz.sessions.registry import Registry, Session
from blazz.sessions.tasks import TaskSet
from blazz.sessions.uploads import MEDIA_CLASSES

_log = structlog.get_logger(__name__)
_POLL_S = 15.0
_AT_ONCE = 8
# The media host's words for a file that it no longer has; the phone may.
_GONE = frozenset({403, 404, 410})
_FINAL_WORDS = frozenset({"invalid", "too_long"})


class Downloads:
    """Fetches due files of connected sessions."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        registry: Registry,
        client: Callable[[], EngineClient | None],
        secret_box: SecretBox,
        media_store: MediaStore,
    ) -> None:
        self._database = database
        self._settings = settings
        self._directory = settings.engine_media_dir
        self._registry = registry
        self._client = client
        self._secret_box = secret_box
        self._media_store = media_store
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks = TaskSet()
        self._fetching: set[uuid.UUID] = set()
        self._more = False
        self._end_observing: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to fetch."""
        self._end_observing = Wakeups.shared().observe(self._on_topic)
        self._task = asyncio.create_task(self._run(), name="media-downloads")

    async def stop(self) -> None:
        """Cancel what is being fetched; it is fetched again later. Idempotent."""
        if self._end_observing is not None:
            self._end_observing()
            self._end_observing = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._tasks.stop()

    def wake(self) -> None:
        """Say that a file may be due."""
        self._wake.set()

    def _on_topic(self, topic: Topic) -> None:
        if topic == WANTED:
            self.wake()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._claim()
            except BlazzError as error:
                _log.warning("downloads not claimed", error=str(error))
            except Exception:  # noqa: BLE001 - a defect in one pass must not end the fetching
                _log.exception("downloads")

    async def _claim(self) -> None:
        room = _AT_ONCE - len(self._fetching)
        ready = {session.account_id: session for session in self._registry if session.connected}
        if not room or not ready:
            return
        scope = Workspaces.of(session.workspace_id for session in ready.values())
        jobs = await self._database.write(scope, media.claim_downloads, utc_now(), room, list(ready))
        for job in jobs:
            if job.media_id not in self._fetching:
                self._fetching.add(job.media_id)
                self._tasks.start(self._fetch(job, ready[job.account_id]), f"download-{job.media_id}")
        if len(jobs) == room:
            self._more = True

    async def _fetch(self, job: DownloadJob, session: Session) -> None:
        name = f"in/{uuid.uuid4().hex}"
        path = self._directory / name
        private_directory(path.parent)
        client = self._client()
        try:
            if client is not None:
                await client.download(session.ref, self._request(job, name))
                await media.complete(self._database, self._media_store, job, path)
        except (EngineError, BlazzError, OSError) as error:
            if client is not None and isinstance(error, Refused) and error.code in _GONE:
                await self._ask_phone(client, session, job)
            else:
                await self._failed(job, error)
        finally:
            path.unlink(missing_ok=True)
            self._fetching.discard(job.media_id)
            if self._more:
                self._more = False
                self.wake()

    async def _ask_phone(self, client: EngineClient, session: Session, job: DownloadJob) -> None:
        """Have the phone upload a file again that the media host has dropped. A phone that is away is asked again."""
        scope = Workspaces.of([job.workspace_id])
        named = await self._database.read(scope, lookup.wire_name, job.workspace_id, job.message_id)
        if named is None:
            await self._give_up(job, "The message of this file is gone.")
            return
        reference = self._reference(job)
        sender = named.author if is_group(named.chat) else ""
        key = base64.b64decode(reference["media_key"])
        try:
            reply = await MediaClient(client).request_again(
                session.ref, named.message_id, named.chat, sender, key, from_me=named.from_me
            )
        except EngineError as error:
            _log.warning("phone not asked for a file", media=str(job.media_id), error=str(error)[:200])
            return
        _log.info("phone asked for a file", media=str(job.media_id), answer=reply.answer)
        if reply.answer == media_pb.MEDIA_ANSWER_NOT_FOUND:
            await self._give_up(job, "Neither WhatsApp nor the phone has this file any more.")
        elif reply.answer == media_pb.MEDIA_ANSWER_UPLOADED:
            renewed = json.dumps({**reference, "direct_path": reply.direct_path}).encode()
            sealed = self._secret_box.seal(renewed, f"media:{job.media_id}")
            await self._database.write(scope, media.renew, job, sealed)
            self._more = True

    async def _give_up(self, job: DownloadJob, reason: str) -> None:
        with contextlib.suppress(BlazzError):
            await self._database.write(Workspaces.of([job.workspace_id]), media.fail, job, reason)

    def _reference(self, job: DownloadJob) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._secret_box.open(job.reference, f"media:{job.media_id}"))
        return found

    def _request(self, item: DownloadJob, name: str) -> pb.DownloadRequest:
        reference = self._reference(item)
        return pb.DownloadRequest(
            path=name,
            type=MEDIA_CLASSES.get(reference["media_class"], pb.MEDIA_TYPE_DOCUMENT),
            direct_path=reference["direct_path"],
            media_key=base64.b64decode(reference["media_key"]),
            file_enc_sha256=base64.b64decode(reference["file_enc_sha256"]),
            file_sha256=base64.b64decode(reference["file_sha256"]),
            max_bytes=self._settings.media_max_bytes,
        )

    async def _failed(self, job: DownloadJob, error: Exception) -> None:
        """Give up what can never succeed; everything else is due again by itself, for a day."""
        final = isinstance(error, EngineError) and error.word in _FINAL_WORDS
        final = final or (isinstance(error, BlazzError) and error.status < 500)
        _log.warning("file not fetched", media=str(job.media_id), final=final, error=str(error)[:200])
        if final:
            await self._give_up(job, f"The file could not be fetched: {error}"[:255])
