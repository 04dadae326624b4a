"""Figures: percentiles, CPU and memory of a family of processes, a description of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.stand import process_family


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0..1) of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(statistics.median(values))


def role_of(process: psutil.Process) -> str:
    """Return `python`, `engine`, `valkey` or the program's name."""
    name = Path(process.exe()).name if process.exe() else process.name()
    if "engine" in name:
        return "engine"
    if "valkey" in name or "redis" in name:
        return "valkey"
    return "python" if "python" in name else name


def cpu_seconds(pid: int) -> dict[str, float]:
    """Return user plus system seconds so far, by role, of a process and its descendants."""
    used: dict[str, float] = {}
    for process in process_family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used[role_of(process)] = used.get(role_of(process), 0.0) + times.user + times.system
    return used


def pss_mb(pid: int, *, without: Sequence[str] = ()) -> dict[str, float]:
    """Return proportional set size in MB (RSS where the system does not tell), by role."""
    found: dict[str, float] = {}
    for process in process_family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            role = role_of(process)
            if role in without:
                continue
            memory = process.memory_full_info()
            found[role] = found.get(role, 0.0) + getattr(memory, "pss", memory.rss) / 1e6
    return found


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """Return `after` minus `before`, by key."""
    return {name: round(value - before.get(name, 0.0), 3) for name, value in after.items()}


def machine() -> str:
    """Return a line that describes this machine."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = psutil.virtual_memory().total / 1e9
    return f"{os.cpu_count()} cores, {model}, {memory:.0f} GB, {platform.system()} {platform.release()}"
