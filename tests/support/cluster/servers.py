"""What all roles share: a database server and Valkey, which tests kill and start again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from blazz.kit.postgres import PrivatePostgres
from blazz.kit.valkey import PrivateValkey
from tests.support import mariadb
from tests.support.network import alive
from tests.support.waiting import eventually


class PostgresServer:
    """A private PostgreSQL server. `url` stays the same over restarts."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server = server
        self.url = server.url

    @classmethod
    async def start(cls, directory: Path) -> PostgresServer:
        """Start one with its data in `directory`."""
        return cls(await PrivatePostgres.start(directory))

    async def kill(self) -> None:
        """Kill -9 the server; its connections break."""
        pid = self._server.pid
        os.kill(pid, signal.SIGKILL)
        await self._server.wait()
        await eventually(lambda: not alive(pid), what="PostgreSQL is gone")

    async def restart(self) -> None:
        """Start it again; it recovers what was committed."""
        await self._server.restart()

    async def stop(self) -> None:
        """End it."""
        await self._server.stop()


class MariaDBServer:
    """A private MariaDB server. `url` stays the same over restarts."""

    def __init__(self, server: mariadb.MariaDB) -> None:
        self._server = server
        self.url = server.url("blazz")

    @classmethod
    async def start(cls, directory: Path) -> MariaDBServer:
        """Start one with its data in `directory`; the test that asks is skipped where MariaDB is not installed."""
        if not mariadb.installed():
            pytest.skip(mariadb.MISSING)
        directory.mkdir(mode=0o700)
        server = await asyncio.to_thread(mariadb.MariaDB, directory)
        await asyncio.to_thread(server.run, "CREATE DATABASE blazz")
        return cls(server)

    async def kill(self) -> None:
        """Kill -9 the server; its connections break."""
        pid = self._server.pid
        await asyncio.to_thread(self._server.kill)
        await eventually(lambda: not alive(pid), what="MariaDB is gone")

    async def restart(self) -> None:
        """Start it again; it recovers what was committed."""
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        """End it."""
        await asyncio.to_thread(self._server.stop)


class ValkeyServer:
    """A private Valkey server. `url` stays the same over restarts."""

    def __init__(self, server: PrivateValkey) -> None:
        self._server = server
        assert server.url is not None, "Valkey cannot be started"
        self.url = server.url

    @classmethod
    async def start(cls, directory: Path) -> ValkeyServer:
        """Start one in `directory`."""
        return cls(await PrivateValkey.start(directory))

    async def kill(self) -> None:
        """Kill -9 the server."""
        assert self._server.pid is not None
        for child in psutil.Process(self._server.pid).children(recursive=True):
            if "valkey" in child.name():
                child.kill()
        await self._server.wait()

    async def restart(self) -> None:
        """Start it again, empty."""
        assert await self._server.restart()

    async def stop(self) -> None:
        """End it."""
        await self._server.stop()
