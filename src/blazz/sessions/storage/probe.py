"""Looks at the storage of a directory within a time limit, whatever that storage does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from blazz.sessions.storage.mounts import mount_of, mounts
from blazz.sessions.storage.policy import Finding, Journal, StorageReport, judge

_PROBER = Path(__file__).with_name("prober.py")
_REAP_S = 0.5


def probe_storage(
    directory: Path, *, timeout_s: float = 10.0, journal: Journal = "wal", make: bool = False
) -> StorageReport:
    """Return what the storage of `directory` is and whether session stores may live there. Blocks; never longer than
    about `timeout_s` seconds, also when the storage hangs. `make` creates the directory, private, when it is absent.
    """
    facts, answered = _ask(directory, timeout_s, make=make)
    real = str(facts.get("directory", {}).get("path") or directory.absolute())
    mount = mount_of(real, mounts())
    if answered:
        return judge(real, mount, facts, journal=journal)
    last = next(reversed(facts), "the first look")
    detail = f"The storage does not answer (it got as far as: {last}). Is the server of the share reachable?"
    return StorageReport(real, mount, [Finding("fail", detail)], shared=True, journal=journal, answers=False)


def _ask(directory: Path, timeout_s: float, *, make: bool) -> tuple[dict[str, dict[str, Any]], bool]:
    """Run the prober; return its steps by name, and whether it came to an end."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROBER), str(directory.absolute()), *(["make"] if make else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",  # never on the storage that may hang
    )
    try:
        said, complaint = process.communicate(timeout=timeout_s)
        answered = True
    except subprocess.TimeoutExpired as late:
        said, complaint, answered = late.stdout or b"", b"", False
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_REAP_S)  # one that cannot be killed yet is reaped by Python when it can
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    facts: dict[str, dict[str, Any]] = {}
    for line in said.splitlines():
        with contextlib.suppress(ValueError):
            step = json.loads(line)
            facts[step.pop("step")] = step
    if answered and process.returncode:
        text = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
        facts["failed"] = {"at": next(reversed(facts), "start"), "errno": text[:200] or f"exit {process.returncode}"}
    return facts, answered
