"""Files of inbound messages: fetched by the engine host, stored by the media room, tried again for a day."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Callable

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.engine_client import EngineClient, EngineError, Refused
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.media.service import DueDownload
from blazz.media.store import MediaStore
from blazz.sessions.registry import Registry, Session
from blazz.sessions.uploads import MEDIA_CLASSES

_log = structlog.get_logger(__name__)
_POLL_S = 15.0
_AT_ONCE = 8
_BATCH = 64
_GIVE_UP = dt.timedelta(hours=24)
_FIRST_PAUSE_S = 5.0
_LAST_PAUSE_S = 3600.0
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

    def wake(self) -> None:
        """Say that a file may be due."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            if not len(self._registry):
                continue
            try:
                await self._pass()
            except BlazzError as error:
                _log.warning("downloads not looked up", error=str(error))
            except Exception:  # noqa: BLE001 - one bad file must not end the fetching of the others
                _log.exception("downloads")

    async def _pass(self) -> None:
        scope = Platform("an instance looks for due files of all its sessions")
        due = await self._database.read(scope, media.due_downloads, utc_now(), _BATCH)
        ready = [
            (item, session)
            for item in due
            if (session := self._registry.get(item.account_id)) is not None and session.connected
        ]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(item: DueDownload, session: Session) -> None:
            async with gate:
                await self._fetch(item, session)

        async with asyncio.TaskGroup() as group:
            for item, session in ready:
                group.create_task(one(item, session))
        if len(due) == _BATCH and ready:
            self._wake.set()

    async def _fetch(self, item: DueDownload, session: Session) -> None:
        client = self._client()
        if client is None:
            return
        name = f"in/{uuid.uuid4().hex}"
        path = self._directory / name
        private_directory(path.parent)
        try:
            await client.download(session.ref, self._request(item, name))
            await media.complete(self._database, self._media_store, item, path)
        except (EngineError, BlazzError, OSError) as error:
            await self._failed(item, error)
        finally:
            path.unlink(missing_ok=True)

    def _request(self, item: DueDownload, name: str) -> pb.DownloadRequest:
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

    async def _failed(self, item: DueDownload, error: Exception) -> None:
        """Try later, or give up: after a day, or when it can never succeed."""
        gone = isinstance(error, Refused) and error.code in _GONE
        final = gone or (isinstance(error, EngineError) and error.word in _FINAL_WORDS)
        final = final or (isinstance(error, BlazzError) and error.status < 500)
        now = utc_now()
        final = final or now - item.created_at > _GIVE_UP
        _log.warning("file not fetched", media=str(item.media_id), final=final, error=str(error)[:200])
        scope = Workspace(item.workspace_id)
        with contextlib.suppress(BlazzError):
            if final:
                detail = "WhatsApp no longer has this file." if gone else f"The file could not be fetched: {error}"
                await self._database.write(scope, media.fail, item, detail[:255])
            else:
                pause = min(_LAST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(item.attempts, 10))
                await self._database.write(scope, media.retry_later, item, now + dt.timedelta(seconds=pause))
