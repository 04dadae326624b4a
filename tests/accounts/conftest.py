"""Fixtures of tests of accounts."""

from __future__ import annotations

import pytest

from tests.accounts.owner_of_sessions import Sessions
from tests.support.app import Running


@pytest.fixture
async def sessions(running: Running) -> Sessions:
    """An instance that takes commands."""
    return await Sessions.start(running)
