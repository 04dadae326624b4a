"""A directory for session stores on which every fsync takes its time: a FUSE mount (Linux, as root)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from tools.setup import paths
from tools.setup.toolchains import find_go, go_environment

_BINARY = paths.BUILD / "faultfs"
_END_S = 5.0


@contextlib.asynccontextmanager
async def slow_storage(directory: Path, fsync_ms: int) -> AsyncIterator[Path]:
    """Mount storage at `directory` and yield it; an fsync of a file or a directory takes `fsync_ms` longer."""
    await asyncio.to_thread(_build)
    beneath = directory.with_name(f"{directory.name}-beneath")
    for made in (beneath, directory):
        made.mkdir(parents=True, mode=0o700)
    process = await asyncio.create_subprocess_exec(
        *(_BINARY, beneath, directory), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await _expect(process.stdout, "mounted")
        delay = {"delay_ms": fsync_ms}
        process.stdin.write(json.dumps({"fsync": delay, "fsyncdir": delay}).encode() + b"\n")
        await _expect(process.stdout, "ok")
        yield directory
    finally:
        process.stdin.close()  # unmounts
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _build() -> None:
    go = ["go", "build", "-o", str(_BINARY), "./cmd/faultfs"]
    subprocess.run(go, cwd=paths.ENGINE_HOST, env=go_environment(find_go()), check=True, timeout=300)


async def _expect(stream: asyncio.StreamReader, word: str) -> None:
    async with asyncio.timeout(20):
        said = (await stream.readline()).decode().strip()
    if said != word:
        raise RuntimeError(f"the slow storage said {said!r}")
