"""Fixtures of the tests that use the application: `running` is one on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from argon2 import PasswordHasher

from blazz.kit import crypto
from blazz.kit.logging import console_renderer
from tests.support.app import Person, Running, run_app

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        console_renderer(colors=False),
    ]
)

PRODUCT_HASHER = crypto._hasher
"""How the product hashes passwords, which takes most of a test that signs somebody in."""


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords at little cost, in this process."""
    crypto._hasher = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    yield
    crypto._hasher = PRODUCT_HASHER


@pytest.fixture
async def running(tmp_path: Path, database_url: str, anyio_backend: str) -> AsyncIterator[Running]:
    """The application on a fresh database."""
    async with run_app(tmp_path, database_url) as started:
        yield started


@pytest.fixture
async def owner(running: Running) -> Person:
    """The first owner, signed in."""
    return await running.owner()
