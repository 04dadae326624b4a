"""What this instance's two processes use: memory and CPU, for people and for the advice to scale."""

from __future__ import annotations

import contextlib

import psutil


def machine() -> dict[str, int]:
    """Return what this machine has: `cores` and `memory_bytes`."""
    return {"cores": psutil.cpu_count() or 1, "memory_bytes": int(psutil.virtual_memory().total)}


class ProcessFigures:
    """Figures of this process and of the engine host that it watches."""

    def __init__(self) -> None:
        self._own = psutil.Process()
        self._own.cpu_percent()  # the first call has nothing to compare with
        self._engine: psutil.Process | None = None

    def watch(self, engine_pid: int | None) -> None:
        """Look at another engine host from now on."""
        self._engine = None
        if engine_pid is not None:
            with contextlib.suppress(psutil.Error):
                self._engine = psutil.Process(engine_pid)
                self._engine.cpu_percent()

    def take(self) -> tuple[int, float]:
        """Return resident bytes, and percent of one core since the last call, of both processes together."""
        memory, cpu = 0, 0.0
        for process in (self._own, self._engine):
            if process is not None:
                with contextlib.suppress(psutil.Error):
                    memory += process.memory_info().rss
                    cpu += process.cpu_percent()
        return memory, cpu
