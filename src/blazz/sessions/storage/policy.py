"""What facts about storage mean: whether session stores may live there, in which mode, what a person must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from blazz.sessions.storage.mounts import Mount

Level = Literal["ok", "warn", "fail"]
Journal = Literal["wal", "delete"]
Locks = Literal["posix", "none"]

_LOCAL = frozenset(
    {"apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "ufs", "xfs", "zfs"}
    | {"overlay", "aufs", "tmpfs", "ramfs"}
)
_MEMORY = frozenset({"tmpfs", "ramfs"})
_LAYERS = frozenset({"overlay", "aufs"})
_NFS = frozenset({"nfs", "nfs4"})
# Object stores dressed as file systems: a rename is a copy and an fsync an upload, or nothing at all.
_OBJECT_STORES = frozenset(
    f"fuse.{name}" for name in ("gcsfuse", "geesefs", "goofys", "mount-s3", "mountpoint-s3", "rclone", "s3fs", "s3ql")
)
_MIN_FREE_BYTES = 128 << 20
_LOW_FREE_BYTES = 1 << 30
_SLOW_FSYNC_MS = 20.0  # the median: every message costs several
_STALLING_FSYNC_MS = 250.0  # the 95th percentile


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation, with what to do when it is not well."""

    level: Level
    detail: str


@dataclass(frozen=True, slots=True)
class StorageReport:
    """What was found, and what follows. `usable` False: no session may be opened there."""

    directory: str
    mount: Mount
    findings: Sequence[Finding]
    shared: bool
    journal: Journal = "wal"
    locks: Locks = "none"
    synchronous: str = "FULL"
    fsync_p50_ms: float | None = None
    fsync_p95_ms: float | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    answers: bool = True
    failed_at: str = field(default="")

    @property
    def usable(self) -> bool:
        """Whether session stores may be opened there."""
        return all(finding.level != "fail" for finding in self.findings)

    @property
    def level(self) -> Level:
        """The worst level of the findings."""
        levels = {finding.level for finding in self.findings}
        return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"

    @property
    def why(self) -> str:
        """The failures, or else the warnings, in one line; empty when all is well."""
        return " ".join(finding.detail for finding in self.findings if finding.level == self.level != "ok")

    @property
    def summary(self) -> str:
        """One line: what it is and how the stores are kept there."""
        parts = [f"{self.directory} on {self.mount.kind}" + (f" ({self.mount.source})" if self.mount.source else "")]
        if version := self.mount.options.get("vers"):
            parts[0] += f", version {version}"
        if self.fsync_p50_ms is not None and self.fsync_p95_ms is not None:
            parts.append(f"an fsync takes {self.fsync_p50_ms:.1f} ms (p95 {self.fsync_p95_ms:.1f} ms)")
        if self.free_bytes is not None:
            parts.append(f"{self.free_bytes / 1e9:.1f} GB free")
        locks = "no file locks" if self.locks == "none" else "file locks that nobody waits for"
        parts.append(f"journal {self.journal} (no shared memory), synchronous={self.synchronous}, {locks}")
        return "; ".join(parts)

    def engine_arguments(self) -> tuple[str, ...]:
        """Return the engine host's flags for stores on this storage."""
        return ("--store-journal", self.journal, "--store-locks", self.locks, "--store-sync", self.synchronous)

    def engine_environment(self) -> dict[str, str]:
        """Return what else the engine host has to know for them."""
        return {}

    def as_dict(self) -> dict[str, Any]:
        """Return what health pages show."""
        return {
            "directory": self.directory,
            "file_system": self.mount.kind,
            "source": self.mount.source,
            "options": dict(self.mount.options),
            "shared": self.shared,
            "level": self.level,
            "answers": self.answers,
            "journal": self.journal,
            "locks": self.locks,
            "synchronous": self.synchronous,
            "fsync_p50_ms": self.fsync_p50_ms,
            "fsync_p95_ms": self.fsync_p95_ms,
            "free_bytes": self.free_bytes,
            "total_bytes": self.total_bytes,
            "findings": [{"level": finding.level, "detail": finding.detail} for finding in self.findings],
        }


def judge(directory: str, mount: Mount, facts: Mapping[str, Mapping[str, Any]], *, journal: Journal) -> StorageReport:
    """Return what the prober's steps (`facts` by step) mean.

    Every mode keeps a write-ahead log or journal without shared memory, so the kind of storage decides only about file
    locks: on a local disk they are a second guard, on a share a question to a server that may not answer. `synchronous`
    is FULL everywhere: NORMAL was never shown to lose nothing.
    """
    shared = mount.kind not in _LOCAL
    findings = [*_of_mount(mount), *_of_steps(facts)]
    space, fsync = facts.get("space", {}), facts.get("fsync", {})
    return StorageReport(
        directory=directory,
        mount=mount,
        findings=findings or [Finding("ok", "all that session stores need works")],
        shared=shared,
        journal=journal,
        locks="none" if shared else "posix",
        fsync_p50_ms=fsync.get("p50_ms"),
        fsync_p95_ms=fsync.get("p95_ms"),
        free_bytes=space.get("free_bytes"),
        total_bytes=space.get("total_bytes"),
        failed_at=str(facts.get("failed", {}).get("at", "")),
    )


def _of_mount(mount: Mount) -> list[Finding]:
    if mount.kind in _NFS:
        return _of_nfs(mount)
    if mount.kind in _OBJECT_STORES:
        return [Finding("fail", f"{mount.kind} is an object store, not a file system; use NFS, EFS or a local disk.")]
    if mount.kind in _MEMORY:
        return [Finding("warn", f"{mount.kind} is memory: all numbers must be linked again after a restart.")]
    if mount.kind in _LAYERS:
        return [Finding("warn", "This is a container's own layer and goes with the container; mount a volume.")]
    if mount.kind in ("cifs", "smb3", "smbfs"):
        return [Finding("warn", "Windows shares are untested: renames and fsync may not mean what they should.")]
    if mount.kind not in _LOCAL:
        return [Finding("ok", f"{mount.kind} is taken for a share: no file locks are used.")]
    return []


def _of_nfs(mount: Mount) -> list[Finding]:
    options, found = mount.options, []
    version = options.get("vers") or options.get("nfsvers") or ("4" if mount.kind == "nfs4" else "")
    if version.startswith("2"):
        found.append(Finding("fail", "NFS version 2 cannot be used; mount with vers=4.1."))
    elif not version.startswith("4"):
        found.append(Finding("warn", f"NFS version {version or 'unknown'}: vers=4.1 is what to use."))
    if "soft" in options or "softerr" in options:
        found.append(
            Finding("fail", "The share is mounted soft: a slow server turns into lost writes. Mount it with hard.")
        )
    if "nocto" in options:
        found.append(
            Finding("fail", "The share is mounted with nocto: a new owner may read an old store. Mount it without.")
        )
    return found


def _of_steps(facts: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    found: list[Finding] = []
    failed, space = facts.get("failed"), facts.get("space", {})
    if facts.get("directory", {}).get("mode", 0) & 0o077:
        found.append(Finding("warn", "Others may read the directory, and who can reads all pairings: chmod 700."))
    if failed is not None:
        found.append(Finding("fail", _failure(str(failed.get("at")), str(failed.get("errno")))))
    elif "done" not in facts:
        found.append(Finding("fail", "The look at the storage ended before it was finished."))
    for step, what in (
        ("exclusive", "Two could create the same file; a file system with exclusive creation is needed."),
        ("truncate", "Files are not cut and extended as they should be."),
        ("rename", "Renaming over a file does not replace it."),
    ):
        if facts.get(step, {}).get("works") is False:
            found.append(Finding("fail", what))
    free = space.get("free_bytes")
    if free is not None and free < _LOW_FREE_BYTES:
        level: Level = "fail" if free < _MIN_FREE_BYTES else "warn"
        found.append(Finding(level, f"Only {free / 1e6:.0f} MB are free; a number needs about one and may grow."))
    fsync = facts.get("fsync", {})
    if fsync and (fsync["p50_ms"] > _SLOW_FSYNC_MS or fsync["p95_ms"] > _STALLING_FSYNC_MS):
        times = f"{fsync['p50_ms']:.0f} ms, at times {fsync['p95_ms']:.0f} ms"
        found.append(Finding("warn", f"An fsync takes {times}: messages will be slow and logins may time out."))
    return found


def _failure(step: str, errno: str) -> str:
    if errno == "EROFS":
        return "The storage is read-only."
    if errno in ("ENOSPC", "EDQUOT"):
        return "The storage is full."
    if errno in ("EACCES", "EPERM"):
        return "This user may not write there."
    if errno == "ENOENT" and step in ("directory", "space"):
        return "The directory does not exist; is the share mounted?"
    if errno == "ESTALE":
        return "The share was replaced on its server (stale handle); mount it again."
    return f"The storage fails ({errno} at {step})."
