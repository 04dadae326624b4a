"""What a workspace has chosen, kept as one document; what it has not chosen has the value given here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Inbound = Literal["ignore", "store"]
"""What happens to what comes in: nothing is kept of it, or it is stored and shown."""


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """The settings of a workspace."""

    inbound_status: Inbound = "ignore"
    """Status posts of the people that a number knows."""
    inbound_channels: Inbound = "ignore"
    """Posts of the channels that a number follows."""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> WorkspaceSettings:
        """Return the settings of a stored document; what this version does not know is left alone."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in (stored or {}).items() if name in known})

    def differences(self, other: WorkspaceSettings) -> list[str]:
        """Return the names of the settings in which `other` is different."""
        mine, theirs = asdict(self), asdict(other)
        return sorted(name for name, value in mine.items() if theirs[name] != value)
