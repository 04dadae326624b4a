"""How a database server is used: connections, time-outs and bounds, with the reasons for their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from blazz.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Connections and bounds of one process. All times in seconds."""

    writers: int = 4
    """Connections for units of one workspace each; platform units, leases and batches over many have one more each."""
    readers: int = 4
    connect_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    lock_timeout_s: float = 5.0
    stall_timeout_s: float = 4.0
    """A transaction in which nothing happens for so long is ended by the server: a frozen process must not keep locks
    for longer than its lease (6 s)."""
    queue: int = 10_000
    """Units that may wait; beyond it callers are refused with `database_busy`."""
    queue_timeout_s: float = 30.0
    allow_unsafe_durability: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            writers=settings.database_writers,
            readers=settings.database_readers,
            allow_unsafe_durability=settings.allow_unsafe_durability,
        )
