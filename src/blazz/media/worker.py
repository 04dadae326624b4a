"""What a worker does with files: fetches them by address and has them converted, some at once, each as one job."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from blazz.events import Wakeups
from blazz.kit import failpoints
from blazz.kit.db import Database, Platform, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.fetch import Fetcher, Limits
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import jobs
from blazz.media.inspection import inspect_file, write_scratch
from blazz.media.jobs import FETCH_LIMIT_S, TOPIC, Job
from blazz.media.processing import runner
from blazz.media.processing.orders import Order, Unusable
from blazz.media.store import MediaStore, compressed_key, thumbnail_key
from blazz.media.storing import store_content

_log = structlog.get_logger(__name__)
_POLL_S = 10.0
_PROGRESS_S = 2.0  # between two notes of progress


class MediaWorker:
    """Runs jobs of all workspaces; any number of workers share them."""

    def __init__(
        self, database: Database, settings: Settings, store: MediaStore, fetcher: Fetcher | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._store = store
        self._fetcher = fetcher or Fetcher()
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._wake = Wakeups.shared().subscribe(TOPIC)
        self._wake.set()
        self._task = asyncio.create_task(self._run(), name="media-jobs")

    async def stop(self) -> None:
        """Cancel what runs; another worker takes it over later. Idempotent."""
        tasks = [*self._running, *([self._task] if self._task else [])]
        self._task = None
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        Wakeups.shared().unsubscribe(TOPIC, self._wake)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._claim()
            except BlazzError as error:
                _log.warning("media jobs not claimed", error=str(error))
            except Exception:  # noqa: BLE001 - a defect in one pass must not end the work
                _log.exception("media jobs")

    async def _claim(self) -> None:
        room = self._settings.media_workers - len(self._running)
        if room <= 0:
            return
        scope = Platform("a worker looks for files to fetch and convert, of all workspaces")
        if not await self._database.read(scope, jobs.any_due, utc_now()):
            return
        for job in await self._database.write(scope, jobs.claim, utc_now(), room):
            task = asyncio.create_task(self.run(job), name=f"media-{job.task}-{job.media_id}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("media job", exc_info=task.exception())

    async def run(self, job: Job) -> None:
        """Do one job and record what came of it."""
        scope = Workspace(job.workspace_id)
        try:
            await (self._fetch(job) if job.task == "fetch" else self._make(job))
        except (Unusable, FileNotFoundError, BlazzError) as error:
            if isinstance(error, BlazzError) and error.status >= 500 and job.attempt < jobs.ATTEMPTS:
                _log.warning("media job again", task=job.task, media_id=str(job.media_id), error=str(error))
                await self._database.write(scope, jobs.again, job, utc_now())
                return
            _log.warning("media job failed", task=job.task, media_id=str(job.media_id), error=str(error)[:200])
            await self._database.write(scope, jobs.fail, job, _reason(error))

    async def _fetch(self, job: Job) -> None:
        scratch = self._store.scratch_file()
        limits = Limits(self._settings.media_max_bytes, FETCH_LIMIT_S)
        try:
            async with self._fetcher.get(job.url or "", limits) as response:
                declared, filename = response.mime_type, response.filename
                sha256, size = await write_scratch(self._store, scratch, response.content(), limits.max_bytes)
            if not size:
                raise Unusable("The file behind this address is empty.")
            expected = "" if job.mime_type.startswith("application/") else job.mime_type
            inspected = await self._store.run(
                inspect_file, scratch, job.filename or filename, expected or declared, announced=bool(expected)
            )
            key = await store_content(self._database, self._store, job.workspace_id, scratch, sha256, inspected)
            columns = inspected.columns(key, sha256, size)
            await self._database.write(Workspace(job.workspace_id), jobs.fetched, job, columns, filename)
        finally:
            await self._store.run(scratch.unlink, missing_ok=True)

    async def _make(self, job: Job) -> None:
        if job.original is None or job.task == "fetch":
            raise Unusable("The file is not here.")
        source, target = self._store.scratch_file(), self._store.scratch_file()
        scope = Workspace(job.workspace_id)
        try:
            await self._store.check_out(job.original, source)
            async with self._progress(job) as on_progress:
                made = await runner.run(Order(job.task, source, target, job.mime_type), on_progress)
            path = size = None
            if made.mime_type is not None:
                path = compressed_key(job.original, job.task, made.extension or "bin")
                size = (await self._store.run(target.stat)).st_size
                if size > self._settings.media_max_bytes:
                    raise Unusable("The file is too large to be sent, even when it is converted.")
                await self._store.put(path, target)
            if made.thumbnail is not None and job.task not in ("image", "sticker"):
                await self._store.put(thumbnail_key(job.original), made.thumbnail)
            failpoints.reach("media.made_before_record")
            await self._database.write(scope, jobs.complete, job, made, path, size)
        finally:
            for file in (source, target):
                await self._store.run(file.unlink, missing_ok=True)

    @contextlib.asynccontextmanager
    async def _progress(self, job: Job) -> AsyncIterator[Callable[[int], None]]:
        """Note progress now and then while the block runs."""
        latest = noted = 0

        def on_progress(percent: int) -> None:
            nonlocal latest
            latest = percent

        async def note() -> None:
            nonlocal noted
            while True:
                await asyncio.sleep(_PROGRESS_S)
                if latest > noted:
                    noted = latest
                    with contextlib.suppress(BlazzError):
                        await self._database.write(Workspace(job.workspace_id), jobs.note_progress, job, noted)

        noting = asyncio.create_task(note(), name="media-progress")
        try:
            yield on_progress
        finally:
            noting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await noting


def _reason(error: Exception) -> str:
    if isinstance(error, BlazzError):
        return error.detail
    return "The file is missing." if isinstance(error, FileNotFoundError) else str(error)
