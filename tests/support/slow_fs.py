"""Storage with faults: a directory mounted again by `engine-host/cmd/faultfs`, slow, hanging, full or read-only."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tools.setup import paths
from tools.setup.toolchains import find_go, go_environment

# Root can mount, so in CI a root run must not skip these tests; the mark is the one whose skips fail a CI run.
REQUIRED_WHERE_POSSIBLE = [pytest.mark.database] if sys.platform == "linux" and os.geteuid() == 0 else []

_BINARY = paths.BUILD / "faultfs"
_READY_S = 20.0

Faults = dict[str, dict[str, object]]
"""Faults by operation, as faultfs takes them."""

SLOW_SYNC: Faults = {"fsync": {"delay_ms": 5}, "fsyncdir": {"delay_ms": 5}}
HANGS: Faults = {"*": {"hang": True}}
WRITES_HANG: Faults = {"write": {"hang": True}, "fsync": {"hang": True}}
READ_ONLY: Faults = {"change": {"errno": "EROFS"}}
FULL: Faults = {"write": {"errno": "ENOSPC"}, "fallocate": {"errno": "ENOSPC"}, "create": {"errno": "ENOSPC"}}
BROKEN: Faults = {"read": {"errno": "EIO"}, "write": {"errno": "EIO"}, "fsync": {"errno": "EIO"}}


class FaultyStorage:
    """A mounted directory. `path` goes through the faults, `beneath` past them."""

    def __init__(self, process: asyncio.subprocess.Process, beneath: Path, path: Path) -> None:
        self._process = process
        self.beneath = beneath
        self.path = path

    async def set(self, faults: Faults | None = None) -> None:
        """Replace all faults; none heals the storage and lets go what hangs."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(faults or {}).encode() + b"\n")
        await self._process.stdin.drain()
        assert await self._line() == "ok"

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(_READY_S):
            return (await self._process.stdout.readline()).decode().strip()


@functools.cache
def _built() -> str | None:
    """Build the tool; returns why it cannot be used, None when it can."""
    if sys.platform != "linux":
        return "a FUSE file system needs Linux"
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "mounting a FUSE file system needs root and /dev/fuse"
    go = ["go", "build", "-o", str(_BINARY), "./cmd/faultfs"]
    subprocess.run(go, cwd=paths.ENGINE_HOST, env=go_environment(find_go()), check=True, timeout=300)
    return None


@contextlib.asynccontextmanager
async def faulty_storage(directory: Path, at: Path | None = None) -> AsyncIterator[FaultyStorage]:
    """Mount `directory`/beneath at `at` (`directory`/share), without faults. The test is skipped where one cannot."""
    reason = await asyncio.to_thread(_built)
    if reason is not None:
        pytest.skip(reason)
    beneath, path = directory / "beneath", at or directory / "share"
    for made in (beneath, path):
        made.mkdir(parents=True, mode=0o700)
    process = await asyncio.create_subprocess_exec(
        *(_BINARY, beneath, path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    storage = FaultyStorage(process, beneath, path)
    try:
        assert await storage._line() == "mounted"
        yield storage
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            with contextlib.suppress(ConnectionError, AssertionError):
                await storage.set()
            process.stdin.close()  # unmounts
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
