"""Logging: a place that takes no more lines does not end the work that they tell of."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import os, structlog
from blazz.kit.logging import configure_logging
from blazz.kit.settings import Settings
configure_logging(Settings())
log = structlog.get_logger("test")
log.error("before")
os.close(2)
log.error("nobody hears this")
print("went on")
"""


def test_a_closed_standard_error_does_not_end_the_work() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert "went on" in done.stdout
    assert "before" in done.stderr
