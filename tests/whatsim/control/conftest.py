"""A real network in a temporary directory, its control API, and a client that asks like a local program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from whatsim.control import ControlServer, create_app
from whatsim.network import Network, NetworkConfig


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    opened = await Network.open(NetworkConfig(tmp_path / "network", wire_port=0))
    yield opened
    await opened.close()


@pytest.fixture
async def files(tmp_path: Path) -> Path:
    """The directory beneath which pictures may be sent by path."""
    directory = tmp_path / "pictures"
    directory.mkdir()
    return directory


@pytest.fixture
async def client(network: Network, files: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(network, allow_paths=files))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7070") as asking:
        yield asking


@pytest.fixture
async def server(network: Network) -> AsyncIterator[ControlServer]:
    """The API on a real port, for what needs a connection of its own."""
    async with ControlServer(create_app(network), port=0) as running:
        yield running
