"""The life of an account, and the score of its health, as pure rules."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazz.accounts.health import HEALTHY, health_score
from blazz.accounts.states import CLAIMS, STATUSES, may_follow, shown_status

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
statuses = st.sampled_from(sorted(STATUSES))


@pytest.mark.parametrize(
    "life",
    [
        ("disconnected", "connecting", "qr_scanning", "authenticated", "connected"),
        ("connected", "disconnected", "connecting", "connected"),
        ("connecting", "passkey_required", "authenticated", "connected"),
        ("qr_scanning", "disconnected", "connecting", "qr_scanning"),
        ("connected", "logged_out", "connecting", "qr_scanning", "authenticated", "connected"),
        ("authenticated", "failed", "connecting"),
    ],
)
def test_an_account_may_live_like_this(life: tuple[str, ...]) -> None:
    for current, following in itertools.pairwise(life):
        assert may_follow(current, following), (current, following)


@pytest.mark.parametrize(
    ("current", "following"),
    [
        ("connected", "qr_scanning"),
        ("connected", "authenticated"),
        ("authenticated", "qr_scanning"),
        ("logged_out", "connected"),
        ("logged_out", "authenticated"),
        ("passkey_required", "connected"),
    ],
)
def test_a_late_report_cannot_undo_what_came_after(current: str, following: str) -> None:
    assert not may_follow(current, following)


@given(current=statuses)
def test_every_life_can_end_and_every_end_can_begin_again(current: str) -> None:
    assert may_follow(current, current)
    assert may_follow(current, "logged_out")
    assert may_follow(current, "failed")
    reached, fresh = {current}, {current}
    while fresh:
        fresh = {one for one in STATUSES if any(may_follow(known, one) for known in fresh)} - reached
        reached |= fresh
    assert reached == STATUSES


@given(status=statuses, seconds=st.integers(-100_000, 100_000))
def test_a_claim_that_nobody_renewed_is_unknown_and_nothing_else_is(status: str, seconds: int) -> None:
    shown = shown_status(status, NOW + dt.timedelta(seconds=seconds), NOW)
    assert shown == ("unknown" if status in CLAIMS and seconds < 0 else status)
    assert shown_status(status, None, NOW) == status


@pytest.mark.parametrize(
    ("connected", "inactive_s", "failures", "risk", "score"),
    [
        (True, 0, 0, 0, 100),
        (True, 3600, 0, 50, 100),
        (True, 3601, 0, 0, 80),
        (False, 0, 0, 0, 50),
        (False, 4000, 0, 0, 30),
        (True, 0, 1, 0, 90),
        (True, 0, 3, 0, 70),
        (True, 0, 99, 0, 70),
        (True, 0, 0, 75, 75),
        (False, 4000, 3, 100, 0),
    ],
)
def test_the_health_score_follows_its_formula(
    connected: bool, inactive_s: float, failures: int, risk: int, score: int
) -> None:
    assert health_score(connected=connected, inactive_s=inactive_s, recent_failures=failures, risk=risk) == score


@given(inactive_s=st.floats(0, 1e9), failures=st.integers(0, 1000), risk=st.integers(0, 100), more=st.integers(0, 100))
def test_the_health_score_stays_in_bounds_and_never_rises_with_trouble(
    inactive_s: float, failures: int, risk: int, more: int
) -> None:
    score = health_score(connected=True, inactive_s=inactive_s, recent_failures=failures, risk=risk)
    assert 0 <= score <= 100
    assert health_score(connected=False, inactive_s=inactive_s, recent_failures=failures, risk=risk) < HEALTHY
    worse = health_score(connected=True, inactive_s=inactive_s + more, recent_failures=failures + more, risk=risk)
    assert worse <= score
