"""Commands that are run within the process of the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def logging_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command arranges the logging of its process, which here is that of all tests."""
    for place in ("blazz.kit.logging", "blazz.cli.life"):
        monkeypatch.setattr(f"{place}.configure_logging", lambda settings: None)
