"""How a data directory is used: by one process on SQLite, or by several on the PostgreSQL beneath it.

It stays so until `blazz db copy` moves the data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory, write_private

MODE_FILE = "mode.json"
Mode = Literal["one-process", "instances", "moved"]


def claim_mode(data_dir: Path, wanted: Mode) -> None:
    """Remember at the first start how `data_dir` is used.

    Raises BlazzError `made_for_instances` or `made_for_one_process`, and `moved_to_server` when its data was copied to
    a server: two of them would go different ways.
    """
    private_directory(data_dir)
    found = read_mode(data_dir)
    if found is None:
        set_mode(data_dir, wanted)
    elif found == "moved":
        raise BlazzError(
            "moved_to_server",
            f"The data of {data_dir} was copied to a database server and goes on there: set BLAZZ_DATABASE_URL. What "
            f"is here is as it was. To go on with it instead, remove {data_dir / MODE_FILE}, and never use both.",
            409,
        )
    elif found != wanted and wanted == "one-process":
        raise BlazzError(
            "made_for_instances",
            f"{data_dir} was made by `blazz up --instances N` and keeps its data in PostgreSQL. Start it with "
            "--instances 2 or more, or choose another --data-dir; data does not move from PostgreSQL to SQLite.",
            409,
        )
    elif found != wanted:
        raise BlazzError(
            "made_for_one_process",
            f"{data_dir} was made by `blazz up` and keeps its data in SQLite, which belongs to one process. Start it "
            "without --instances, or move its data with: blazz db copy --to private",
            409,
        )


def set_mode(data_dir: Path, mode: Mode) -> None:
    """Say from now on how `data_dir` is used."""
    write_private(data_dir / MODE_FILE, json.dumps({"mode": mode}).encode() + b"\n")


def read_mode(data_dir: Path) -> str | None:
    """Return how a data directory is used; None before its first start. Raises BlazzError `mode_unreadable`."""
    path = data_dir / MODE_FILE
    if path.exists():
        try:
            return str(json.loads(path.read_text())["mode"])
        except (ValueError, KeyError, TypeError):
            raise BlazzError("mode_unreadable", f"{path} cannot be read; it says how this directory is used.") from None
    # made before this file existed
    return "one-process" if (data_dir / "blazz.db").exists() else None
