"""Which file system a directory is on, from the list of mounts: reading it touches no storage that could hang."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system. `options` are those in force; one without a value is ""."""

    point: str
    kind: str
    source: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, point: str, kind: str, source: str, options: str) -> Mount:
        """Return a mount from the columns of the system's list."""
        pairs = (option.partition("=") for option in options.split(",") if option)
        return cls(point, kind.lower(), source, {name: value for name, _, value in pairs})


def mounts() -> list[Mount]:
    """Return all mounts of this system, in the order in which they were made."""
    return [Mount.of(part.mountpoint, part.fstype, part.device, part.opts) for part in psutil.disk_partitions(all=True)]


def mount_of(path: str, among: Iterable[Mount]) -> Mount:
    """Return the mount that holds an absolute path without links; of several on one point the last one counts."""
    best = Mount("/", "unknown")
    for mount in among:
        point = mount.point.rstrip("/")
        holds = path == point or path.startswith(point + "/")
        if holds and len(point) >= len(best.point.rstrip("/")):
            best = mount
    return best
