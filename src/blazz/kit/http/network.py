"""Which WhatsApp network this installation speaks to, as far as people at the browser must know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """`phones_url` is the page of the simulated phones; None on the real network."""

    id: str
    simulated: bool
    phones_url: str | None = None
