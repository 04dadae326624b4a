"""The life of an account: which status may follow which, and what a claim that ran out means."""

from __future__ import annotations

import datetime as dt
from typing import Literal, get_args

Status = Literal[
    "connecting",
    "qr_scanning",
    "authenticated",
    "connected",
    "passkey_required",
    "disconnected",
    "logged_out",
    "failed",
]
STATUSES: frozenset[str] = frozenset(get_args(Status))

# These say what a running session does; they expire unless its instance renews them.
CLAIMS: frozenset[str] = frozenset({"connecting", "qr_scanning", "authenticated", "connected", "passkey_required"})

# Reasons of a disconnection that ends by itself: WhatsApp lets the number in again, or a newer client.
WAITING: frozenset[str] = frozenset({"banned", "client_outdated"})

_NEXT: dict[str, frozenset[str]] = {
    # "connected" without "authenticated" before it: every login after the first
    "connecting": frozenset({"qr_scanning", "authenticated", "connected", "passkey_required", "disconnected"}),
    "qr_scanning": frozenset({"authenticated", "connecting", "passkey_required", "disconnected", "connected"}),
    "passkey_required": frozenset({"authenticated", "connecting", "disconnected", "qr_scanning"}),
    "authenticated": frozenset({"connected", "connecting", "disconnected"}),
    "connected": frozenset({"disconnected", "connecting"}),
    "disconnected": frozenset({"connecting", "qr_scanning", "connected", "authenticated"}),
    "logged_out": frozenset({"connecting", "qr_scanning", "disconnected"}),
    "failed": frozenset({"connecting", "qr_scanning", "disconnected", "connected"}),
}
# An end may be told in any state.
_ENDS: frozenset[str] = frozenset({"logged_out", "failed"})


def may_follow(current: str, following: str) -> bool:
    """Tell whether `following` may be written over `current`; the same status again may bring a new detail."""
    return following == current or following in _ENDS or following in _NEXT[current]


def shown_status(status: str, expires_at: dt.datetime | None, now: dt.datetime) -> str:
    """Return the status to show: `unknown` when it is a claim that nobody renewed in time."""
    if status in CLAIMS and expires_at is not None and expires_at < now:
        return "unknown"
    return status
