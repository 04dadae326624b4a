"""The real simulated network on a free port, and the real engine host connected to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blazz.engine_client import EngineOptions, EngineProcess, NetworkSettings
from blazz.engine_client.binary import find_engine_binary
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import boottime_ns
from whatsim.network import Network, NetworkConfig


@contextlib.asynccontextmanager
async def simulated_network(directory: Path) -> AsyncIterator[Network]:
    """Run a simulated network with its state in `directory`."""
    network = await Network.open(NetworkConfig(directory, wire_port=0))
    try:
        yield network
    finally:
        await network.close()


def settings_of(network: Network) -> NetworkSettings:
    """Return how to reach `network`."""
    return NetworkSettings.simulated(
        address=network.wire_address,
        ca=network.ca_path,
        root_key=network.root_key_path,
        network_id=network.network_id,
    )


def engine_binary() -> Path:
    """Return the built engine host; the test is skipped where it has not been built."""
    try:
        return find_engine_binary(Settings())
    except BlazzError as error:
        pytest.skip(error.detail)


def engine_options(network: Network, directory: Path, **environment: str) -> EngineOptions:
    """Return options of an engine host with its directories beneath `directory`."""
    for name in ("sessions", "media"):
        (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    return EngineOptions(
        binary=engine_binary(),
        sessions_dir=directory / "sessions",
        media_dir=directory / "media",
        network=settings_of(network),
        environment=environment,
    )


@contextlib.asynccontextmanager
async def heartbeats(engine: EngineProcess, lease_s: float = 6.0) -> AsyncIterator[None]:
    """Keep an engine host alive as its owner would."""

    async def beat() -> None:
        while True:
            await engine.client.heartbeat(boottime_ns() + int(lease_s * 1e9))
            await asyncio.sleep(lease_s / 4)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def alive(pid: int) -> bool:
    """Tell whether a process exists and has not ended (a zombie has)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
