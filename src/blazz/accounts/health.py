"""The health score of a number: one figure from 0 to 100 by a fixed formula."""

from __future__ import annotations

HEALTHY = 70
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
