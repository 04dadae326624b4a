"""Looks at the sessions' storage before the first session is opened, and from time to time after that."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from blazz.kit import metrics
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.sessions.storage.policy import Level, StorageReport
from blazz.sessions.storage.probe import probe_storage

_log = structlog.get_logger(__name__)
_EVERY_S = 60.0
_PROBE_S = 10.0
_FSYNC = metrics.gauge("storage_fsync_p95_ms", "An fsync beneath the session stores, 95th percentile of the last look.")
_FREE = metrics.gauge("storage_free_bytes", "Free bytes beneath the session stores.")
_USABLE = metrics.gauge("storage_usable", "1 while the storage of the session stores works, else 0.")


class StorageWatch:
    """Holds the last report. `start` and `stop` are called once each; the directory is made by `start`."""

    def __init__(self, settings: Settings, *, every_s: float = _EVERY_S, timeout_s: float = _PROBE_S) -> None:
        self._settings = settings
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._report: StorageReport | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def report(self) -> StorageReport:
        """The last report; there once `start` has returned."""
        if self._report is None:
            raise RuntimeError("the storage has not been looked at")
        return self._report

    @property
    def level(self) -> Level:
        """How the storage was at the last look: ok, warn or fail."""
        return self.report.level

    async def start(self) -> StorageReport:
        """Look, and keep looking. Raises BlazzError `storage_unusable` (503) when no session may be opened there."""
        report = await self._look()
        if not report.usable:
            raise BlazzError("storage_unusable", f"Session stores cannot live in {report.directory}. {report.why}", 503)
        self._task = asyncio.create_task(self._run(), name="storage-watch")
        return report

    async def stop(self) -> None:
        """End. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def health(self) -> str | None:
        """Return what is wrong with the storage now, None when sessions can use it."""
        return None if self.report.usable else self.report.why

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._look()
            except OSError as error:
                _log.warning("storage not looked at", error=str(error))

    async def _look(self) -> StorageReport:
        before = self._report
        settings = self._settings
        # the prober is a process of its own, so this thread returns whatever the storage does
        report = await asyncio.to_thread(
            probe_storage,
            settings.sessions_dir,
            timeout_s=self._timeout_s,
            journal=settings.session_journal,
            make=before is None,
        )
        self._report = report
        _USABLE.set(1 if report.usable else 0)
        _FSYNC.set(report.fsync_p95_ms or 0)
        _FREE.set(report.free_bytes or 0)
        if before is None or (before.level, before.why) != (report.level, report.why):
            log = {"ok": _log.info, "warn": _log.warning, "fail": _log.error}[report.level]
            log("storage of session stores", summary=report.summary, findings=report.why or "all is well")
        return report
