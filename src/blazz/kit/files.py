"""Small files that must be private or durable."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from blazz.kit.errors import BlazzError


def private_directory(path: Path) -> Path:
    """Create `path` with mode 0700 (parents as needed) and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def private_file(path: Path) -> None:
    """Create `path` with mode 0600 unless it exists."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def write_private(path: Path, content: bytes) -> None:
    """Write `content` with mode 0600, atomically and durably (file and directory are fsynced)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def read_private(path: Path) -> bytes:
    """Return the content of a secret file. Raises BlazzError `secret_file_exposed` when others can read it."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise BlazzError(
            "secret_file_exposed",
            f"{path} can be read by others; run: chmod 600 {path}",
            500,
        )
    return path.read_bytes()


def sync_directory(path: Path) -> None:
    """Make the names in directory `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
