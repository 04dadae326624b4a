"""Where the engine host's program is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

_NAME = "blazz-engine"


def find_engine_binary(settings: Settings) -> Path:
    """Return the engine host's path: the setting, the source tree's build, beside the package, or on PATH.

    Raises BlazzError `engine_missing` with the command that builds it.
    """
    if settings.engine_binary is not None:
        candidates = [settings.engine_binary]
    else:
        package = Path(__file__).resolve().parents[1]
        candidates = [package.parents[1] / "build" / _NAME, package / "bin" / _NAME]
        on_path = shutil.which(_NAME)
        if on_path:
            candidates.append(Path(on_path))
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.resolve()
    raise BlazzError(
        "engine_missing", f"The engine host was not found ({candidates[0]}). Build it with: make setup", 500
    )
