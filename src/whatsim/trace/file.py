"""A trace on disk: bounded, the oldest part is given up first."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_BYTES = 16 << 20
KEPT = 3


class TraceFile:
    """Appends entries to `path`; a full file becomes `path.1`, that one `path.2`, and so on up to `kept`.

    On disk are at most (`kept` + 1) × `max_bytes` and one entry. Only the owner may read the files. Raises OSError.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._size = path.stat().st_size

    def write(self, entry: str) -> None:
        """Append an entry and its line end; it is in the file when this returns."""
        line = entry.encode("utf-8", "replace") + b"\n"
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        self._file.write(line)
        self._file.flush()
        self._size += len(line)

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept, 0, -1):
            older = self._part(number - 1)
            if older.exists():
                older.replace(self._part(number))
        if not self._kept:
            self._path.unlink()
        self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._size = 0

    def _part(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
