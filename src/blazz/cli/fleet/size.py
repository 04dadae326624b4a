"""How large a fleet is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How many processes of each role. One instance on SQLite means: no fleet, all roles in one process."""

    instances: int = 1
    gateways: int = 1
    workers: int = 1
