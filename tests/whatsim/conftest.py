"""A running simulated network for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.whatsim.companion import Companion
from whatsim.network import Network, NetworkConfig


@pytest.fixture
async def wire_network(tmp_path: Path) -> AsyncIterator[Network]:
    """A network on a free port with its state in a temporary directory."""
    network = await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))
    yield network
    await network.close()


@pytest.fixture
async def shop(wire_network: Network) -> str:
    """The number of a phone that companions link to."""
    return (await wire_network.create_phone(name="Shop")).number


@pytest.fixture
async def customer(wire_network: Network) -> str:
    """The number of a phone that writes to the shop."""
    return (await wire_network.create_phone(name="Budi")).number


@pytest.fixture
async def companion(wire_network: Network, shop: str) -> AsyncIterator[Companion]:
    """A client linked to the shop."""
    client = Companion.of(wire_network)
    await client.link(wire_network, shop)
    yield client
    await client.close()
