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
from blazz.engine_client import EngineClient, EngineError, Refused
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Workspaces
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.media.service import DownloadJob
from blazz.media.store import MediaStore
from blazz.sessions.registry import Registry, Session
from blazz.sessions.tasks import TaskSet
from blazz.sessions.uploads import MEDIA_CLASSES

_log = structlog.get_logger(__name__)
_POLL_S = 15.0
_AT_ONCE = 8
# The media host's final words: the file is gone, or was never there.
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

    def start(self) -> None:
        """Begin to fetch."""
        self._task = asyncio.create_task(self._run(), name="media-downloads")

    async def stop(self) -> None:
        """Cancel what is being fetched; it is fetched again later. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._tasks.stop()

    def wake(self) -> None:
        """Say that a file may be due."""
        self._wake.set()

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
        try:
            client = self._client()
            if client is not None:
                await client.download(session.ref, self._request(job, name))
                await media.complete(self._database, self._media_store, job, path)
        except (EngineError, BlazzError, OSError) as error:
            await self._failed(job, error)
        finally:
            path.unlink(missing_ok=True)
            self._fetching.discard(job.media_id)
            if self._more:
                self._more = False
                self.wake()

    def _request(self, item: DownloadJob, name: str) -> pb.DownloadRequest:
        reference = json.loads(self._secret_box.open(item.reference, f"media:{item.media_id}"))
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
        gone = isinstance(error, Refused) and error.code in _GONE
        final = gone or (isinstance(error, EngineError) and error.word in _FINAL_WORDS)
        final = final or (isinstance(error, BlazzError) and error.status < 500)
        _log.warning("file not fetched", media=str(job.media_id), final=final, error=str(error)[:200])
        if final:
            detail = "WhatsApp no longer has this file." if gone else f"The file could not be fetched: {error}"
            with contextlib.suppress(BlazzError):
                await self._database.write(Workspaces.of([job.workspace_id]), media.fail, job, detail[:255])
