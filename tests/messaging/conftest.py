"""Fixtures of messaging tests."""

from __future__ import annotations

import pytest

from tests.messaging.stage import Stage
from tests.support.app import Person


@pytest.fixture
async def stage(owner: Person) -> Stage:
    """A linked number in the owner's workspace."""
    return await Stage.build(owner)
