"""A stage on each kind of database that a test asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cluster.stage import Stage
from tests.support.databases import open_database


@pytest.fixture
async def stage(database_url: str, anyio_backend: str) -> AsyncIterator[Stage]:
    """A cluster without instances."""
    async with open_database(database_url) as database:
        yield Stage(database)
