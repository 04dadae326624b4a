"""Stamps: a step is skipped while the content of its inputs is the same and its outputs are still there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SKIPPED_DIRECTORIES = frozenset(
    {"node_modules", "dist", "__pycache__", "_generated", ".git", "coverage", "test-results", "playwright-report"}
)


def files_below(path: Path, suffixes: tuple[str, ...] | None = None) -> Iterator[Path]:
    """The files of a tree (or the file itself) without build output, in a stable order; nothing when it is missing."""
    if path.is_file():
        yield path
        return
    for directory, names, files in os.walk(path):
        names[:] = sorted(name for name in names if name not in _SKIPPED_DIRECTORIES)
        for name in sorted(files):
            if suffixes is None or name.endswith(suffixes):
                yield Path(directory) / name


def fingerprint(inputs: Iterable[Path], facts: Iterable[str] = ()) -> str:
    """A hash over facts (versions, settings) and over name and content of every input file; order matters not."""
    digest = hashlib.sha256()
    for fact in sorted(facts):
        digest.update(b"fact\0" + fact.encode() + b"\0")
    for path in sorted(set(inputs)):
        digest.update(b"file\0" + str(path).encode() + b"\0")
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except FileNotFoundError:
            digest.update(b"missing")
    return digest.hexdigest()


@dataclass(frozen=True)
class Stamp:
    """The remembered fingerprint of one step, in a file of its own."""

    path: Path

    def fresh(self, wanted: str, outputs: Iterable[Path]) -> bool:
        """True when the step last succeeded with this fingerprint and all its outputs still exist."""
        try:
            remembered = self.path.read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return remembered == wanted and all(output.exists() for output in outputs)

    def write(self, fingerprint_: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(fingerprint_ + "\n")
        temporary.replace(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
