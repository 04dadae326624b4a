"""What a check of `blazz doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: what was looked at, how it is, and what to do when it is not well."""

    level: Level
    what: str
    detail: str
