"""What an instance and `blazz doctor` find out about storage, and what they conclude."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blazz.engine_client import EngineError
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.sessions.storage.measure import measure
from blazz.sessions.storage.mounts import Mount, mount_of
from blazz.sessions.storage.policy import judge
from blazz.sessions.storage.probe import probe_storage
from blazz.sessions.storage.verdicts import start_failure
from blazz.sessions.storage.watch import StorageWatch
from tests.support.slow_fs import (
    BROKEN,
    FULL,
    HANGS,
    READ_ONLY,
    REQUIRED_WHERE_POSSIBLE,
    SLOW_SYNC,
    Faults,
    FaultyStorage,
    faulty_storage,
)

pytestmark = [pytest.mark.anyio, *REQUIRED_WHERE_POSSIBLE]

GOOD: dict[str, dict[str, Any]] = {
    "directory": {"path": "/share"},
    "space": {"free_bytes": 10**11, "total_bytes": 10**12},
    "exclusive": {"works": True},
    "fsync": {"p50_ms": 1.0, "p95_ms": 2.0},
    "truncate": {"works": True},
    "mmap": {"works": False},
    "rename": {"works": True},
    "done": {},
}
NFS = "rw,vers=4.1,hard,proto=tcp,addr=10.0.0.1"


@pytest.fixture
async def storage(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FaultyStorage]:
    async with faulty_storage(tmp_path / "storage") as made:
        yield made


def test_a_local_disk_is_used_with_locks_and_a_share_without() -> None:
    local = judge("/data", Mount.of("/", "ext4", "/dev/vda", "rw"), GOOD, journal="wal")
    share = judge("/share", Mount.of("/share", "nfs4", "server:/x", NFS), GOOD, journal="wal")
    assert (local.usable, local.level, local.shared, local.locks) == (True, "ok", False, "posix")
    assert (share.usable, share.level, share.shared, share.locks) == (True, "ok", True, "none")
    assert share.engine_arguments() == (
        *("--store-journal", "wal", "--store-locks", "none"),
        *("--store-sync", "FULL"),
    )
    assert "version 4.1" in share.summary


@pytest.mark.parametrize(
    ("kind", "options", "level", "said"),
    [
        ("nfs4", NFS.replace("hard", "soft"), "fail", "hard"),
        ("nfs4", NFS + ",nocto", "fail", "nocto"),
        ("nfs", "rw,vers=3,hard", "warn", "4.1"),
        ("nfs", "rw,vers=2,hard", "fail", "version 2"),
        ("fuse.s3fs", "rw", "fail", "object store"),
        ("fuse.glusterfs", "rw", "ok", ""),
        ("tmpfs", "rw", "warn", "memory"),
        ("overlay", "rw", "warn", "container"),
        ("cifs", "rw", "warn", "untested"),
    ],
)
def test_what_is_known_of_file_systems_decides(kind: str, options: str, level: str, said: str) -> None:
    report = judge("/share", Mount.of("/share", kind, "server:/x", options), GOOD, journal="wal")
    assert report.level == level
    assert report.usable == (level != "fail")
    assert said in report.why


@pytest.mark.parametrize(
    ("step", "facts", "level", "said"),
    [
        ("exclusive", {"works": False}, "fail", "exclusive"),
        ("directory", {"path": "/data", "mode": 0o755}, "warn", "chmod 700"),
        ("rename", {"works": False}, "fail", "Renaming"),
        ("space", {"free_bytes": 1 << 20, "total_bytes": 1 << 30}, "fail", "free"),
        ("space", {"free_bytes": 1 << 29, "total_bytes": 1 << 30}, "warn", "free"),
        ("fsync", {"p50_ms": 40.0, "p95_ms": 90.0}, "warn", "40 ms"),
        ("failed", {"at": "fsync", "errno": "EIO"}, "fail", "EIO at fsync"),
    ],
)
def test_what_was_tried_decides(step: str, facts: dict[str, Any], level: str, said: str) -> None:
    report = judge("/data", Mount.of("/", "ext4", "/dev/vda", "rw"), {**GOOD, step: facts}, journal="wal")
    assert report.level == level
    assert said in report.why


def test_the_mount_of_a_directory_is_the_longest_and_the_last() -> None:
    table = [Mount("/", "ext4"), Mount("/data", "nfs4"), Mount("/data/x", "xfs"), Mount("/data", "tmpfs")]
    assert [mount_of(path, table).kind for path in ("/", "/data", "/data/x/y", "/database")] == [
        *("ext4", "tmpfs", "xfs", "ext4")
    ]


def test_a_look_leaves_nothing_behind_and_removes_what_a_dead_one_left(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    old = tmp_path / ".probe.old"
    old.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    report = probe_storage(tmp_path)
    assert report.usable, report.why
    assert report.fsync_p50_ms is not None and report.fsync_p50_ms > 0
    assert list(tmp_path.iterdir()) == []


async def test_storage_that_hangs_is_said_to_hang_in_time(storage: FaultyStorage) -> None:
    await storage.set(HANGS)
    began = time.monotonic()
    report = probe_storage(storage.path, timeout_s=1.0)
    assert time.monotonic() - began < 3
    assert (report.usable, report.answers) == (False, False)
    assert "does not answer" in report.why


@pytest.mark.parametrize(
    ("faults", "said"), [(READ_ONLY, "read-only"), (FULL, "full"), (BROKEN, "EIO")], ids=["read-only", "full", "broken"]
)
async def test_storage_that_refuses_is_refused_with_its_reason(
    storage: FaultyStorage, faults: Faults, said: str
) -> None:
    await storage.set(faults)
    report = probe_storage(storage.path)
    assert not report.usable
    assert said in report.why
    await storage.set(SLOW_SYNC)
    report = probe_storage(storage.path)
    assert report.usable
    assert report.locks == "none"
    assert report.fsync_p50_ms is not None and report.fsync_p50_ms >= 5


async def test_the_watch_makes_the_directory_refuses_what_fails_and_notices_changes(storage: FaultyStorage) -> None:
    directory = storage.path / "new" / "sessions"
    settings = Settings.model_construct(sessions_path=directory, session_journal="wal")
    await storage.set(READ_ONLY)
    with pytest.raises(BlazzError, match="read-only") as refusal:
        await StorageWatch(settings).start()
    assert refusal.value.code == "storage_unusable"
    await storage.set()
    watch = StorageWatch(settings, timeout_s=1.0)
    await watch.start()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert await watch.health() is None
    await storage.set(HANGS)
    await watch._look()
    assert "does not answer" in (await watch.health() or "")
    await storage.set()
    await watch._look()
    assert await watch.health() is None
    await watch.stop()


@pytest.mark.parametrize(
    ("word", "said", "retries"),
    [
        ("store_missing", "No backup is known", True),
        ("store_corrupt", "No backup is known", False),
        ("store_failure", "trying again in 5 s", True),
        ("network_mismatch", "another network", False),
    ],
)
def test_a_failed_start_is_a_failed_account_with_its_reason(word: str, said: str, retries: bool) -> None:
    failure = start_failure(EngineError(word, "x" * 600), uuid.uuid4(), jitter=lambda: 1.0)
    assert failure.verdict.status == "failed"
    assert said in (failure.verdict.detail or "")
    assert len(failure.verdict.detail or "") <= 255
    assert not failure.verdict.stop, "the wish to run stays: a restart tries again"
    assert (failure.retry_after_s is not None) == retries


def test_retries_after_failing_storage_grow_to_five_minutes() -> None:
    error = EngineError("store_failure", "input/output error")
    pauses = [start_failure(error, uuid.uuid4(), attempt=n, jitter=lambda: 1.0).retry_after_s for n in range(9)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def _store(path: Path, rows: int = 50) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x BLOB)")
    connection.executemany("INSERT INTO t VALUES (randomblob(1000))", [()] * rows)
    connection.commit()
    connection.close()
    return path


def test_an_idle_store_is_read_through_and_one_in_use_is_left_alone(tmp_path: Path) -> None:
    store = _store(tmp_path / "store.1.db")
    found = measure(store)
    assert found is not None
    assert (found.sound, found.size_bytes) == (True, store.stat().st_size)
    journal = tmp_path / "store.1.db-wal"
    journal.write_bytes(b"w" * 500)
    found = measure(store)
    assert found is not None
    assert (found.sound, found.size_bytes) == (None, store.stat().st_size + 500)
    journal.unlink()
    content = bytearray(store.read_bytes())
    content[8192:12288] = b"\xff" * 4096
    store.write_bytes(content)
    found = measure(store)
    assert found is not None
    assert found.sound is False
    assert found.detail
    assert measure(tmp_path / "store.2.db") is None
