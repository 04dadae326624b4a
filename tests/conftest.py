"""What every test shares: anyio on asyncio, their order, and CI runs that fail when a required one is skipped."""

from __future__ import annotations

import gc

import pytest

pytest_plugins = [
    "tests.required_tests",
    "tests.support.buckets",
    "tests.support.databases",
    "tests.support.fixtures",
    "pytester",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: by then only tests that start programs run beside them in `make test`."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_unconfigure() -> None:
    """End soon: looking for garbage in all that thousands of tests left behind takes most of a minute."""
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the product does."""
    return "asyncio"
