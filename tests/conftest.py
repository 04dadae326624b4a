"""What every test shares: anyio on asyncio, and a CI run that fails when a required test was skipped."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.required_tests", "tests.support.databases", "tests.support.fixtures", "pytester"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the product does."""
    return "asyncio"
