"""Which WhatsApp network an installation speaks to: the real one, or a simulated one with its own certificates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

REAL_NETWORK_ID = "whatsapp"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The network, and for a simulated one where it is and whom to trust. Build it with one of the class methods."""

    kind: Literal["whatsapp", "simulated"]
    network_id: str
    address: str | None = None
    ca: Path | None = None
    root_key: Path | None = None

    @classmethod
    def whatsapp(cls) -> NetworkSettings:
        """Return the real network."""
        return cls("whatsapp", REAL_NETWORK_ID)

    @classmethod
    def simulated(cls, *, address: str, ca: Path, root_key: Path, network_id: str) -> NetworkSettings:
        """Return a simulated network at `address` (host:port on loopback or 10.0.0.0/8; the engine host checks it)."""
        return cls("simulated", network_id, address, ca, root_key)

    def arguments(self) -> list[str]:
        """Return the engine host's command line options for this network."""
        given = ["--network", self.kind, "--network-id", self.network_id]
        if self.kind == "simulated":
            given += ["--network-address", str(self.address), "--network-ca", str(self.ca)]
            given += ["--network-root-key", str(self.root_key)]
        return given
