"""The health score of a number: one figure from 0 to 100 by a fixed formula."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from blazz.accounts.states import shown_status

HEALTHY = 70
_RECENT = dt.timedelta(days=1)
_FAILURES = frozenset({"error", "timeout", "replaced", "unknown"})
_NOT_CONNECTED = 50
_INACTIVE = 20
_INACTIVE_S = 3600.0
_PER_FAILURE = 10
_FAILURES_AT_MOST = 30
_RISK_FROM = 50


def health_score(*, connected: bool, inactive_s: float, recent_failures: int, risk: int = 0) -> int:
    """Return 0 to 100; 70 and above is healthy.

    From 100: 50 less when not connected, 20 less after more than an hour without activity, 10 less per recent failure
    (30 at most), and what `risk` (0 to 100) has above 50. The product's rule.
    """
    score = 100
    if not connected:
        score -= _NOT_CONNECTED
    if inactive_s > _INACTIVE_S:
        score -= _INACTIVE
    score -= min(_PER_FAILURE * max(0, recent_failures), _FAILURES_AT_MOST)
    score -= max(0, risk - _RISK_FROM)
    return max(0, min(100, score))


def score_of(row: RowMapping | Mapping[str, Any], now: dt.datetime) -> int:
    """Return the health score of an account's row: status as shown, last activity, failure of the last day."""
    moments = [row[name] for name in ("last_activity_at", "connected_at") if row[name] is not None]
    active = max(moments, default=row["created_at"])
    ended = row["disconnected_at"]
    failed = row["disconnect_reason"] in _FAILURES and ended is not None and ended > now - _RECENT
    return health_score(
        connected=shown_status(row["status"], row["status_expires_at"], now) == "connected",
        inactive_s=(now - active).total_seconds(),
        recent_failures=int(failed),
    )
