"""One running wirecheck for all tests: starting it takes longer than a thousand questions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.wirecheck import Wirecheck, running


@pytest.fixture(scope="session")
def library() -> Iterator[Wirecheck]:
    """The functions of whatsmeow."""
    with running() as started:
        yield started
