"""Advice to run more or fewer instances: what has to hold for how long, and the bounds that are never left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blazz.cluster import signals
from blazz.cluster.advice import Advice, Advisor, InstanceSample, Sample
from blazz.kit import metrics


def watched(
    advisor: Advisor,
    seconds: float,
    *,
    start_s: float = 0.0,
    instances: int = 4,
    sessions: int = 200,
    cpu: float | None = 0.5,
    memory: float | None = 0.5,
    step_s: float = 15.0,
) -> Advice:
    """Feed samples of equal instances of 500 places for so long; return the last advice."""
    at_s = start_s
    while True:
        shown = tuple(InstanceSample(f"instance-{index}", sessions, 500, cpu, memory) for index in range(instances))
        advice = advisor.feed(Sample(at_s, shown))
        if at_s >= start_s + seconds:
            return advice
        at_s = min(at_s + step_s, start_s + seconds)


@pytest.mark.parametrize(
    ("changes", "window_s", "words"),
    [
        ({"sessions": 410, "instances": 6}, 300, "sessions 82 % (2460 of 3000 places) above 80 %"),
        ({"cpu": 0.81}, 600, "CPU 81 % above 80 % for 10 min"),
        ({"memory": 0.86}, 300, "memory 86 % above 85 % for 5 min"),
        ({"sessions": 380}, 300, "with the largest instance down 20 sessions"),
    ],
)
def test_too_much_for_long_enough_means_up(changes: dict[str, float], window_s: float, words: str) -> None:
    advisor = Advisor()
    early = watched(advisor, window_s - 1, **changes)  # type: ignore[arg-type]
    assert (early.action, early.target) == ("hold", early.current)
    late = watched(advisor, 1, start_s=window_s - 1, **changes)  # type: ignore[arg-type]
    assert (late.action, late.target) == ("up", late.current + 1)
    assert any(words in reason for reason in late.reasons), late.reasons


def test_exactly_80_percent_is_not_above() -> None:
    assert watched(Advisor(), 3600, sessions=400, instances=10).action == "hold"


def test_a_dip_starts_the_window_over() -> None:
    advisor = Advisor()
    watched(advisor, 590, cpu=0.9)
    watched(advisor, 0, start_s=595, cpu=0.7)
    assert watched(advisor, 590, start_s=600, cpu=0.9).action == "hold"
    assert watched(advisor, 15, start_s=1191, cpu=0.9).action == "up"


def test_a_gap_in_the_samples_starts_the_window_over() -> None:
    advisor = Advisor()
    watched(advisor, 590, cpu=0.9)
    assert watched(advisor, 300, start_s=1000, cpu=0.9).action == "hold"


def test_a_new_instance_gets_time_to_take_its_share() -> None:
    advisor = Advisor()
    assert watched(advisor, 600, cpu=0.9).action == "up"
    assert watched(advisor, 590, start_s=615, cpu=0.9, instances=5).action == "hold"


def test_up_goes_at_once_as_far_as_spare_and_n_minus_one_need() -> None:
    advice = watched(Advisor(), 300, sessions=490, instances=6)  # 2,940 sessions: 8 x 500 x 80 % = 3,200
    assert (advice.action, advice.current, advice.target) == ("up", 6, 8)


def test_idle_for_half_an_hour_means_one_fewer() -> None:
    advisor = Advisor()
    assert watched(advisor, 1799, instances=6, sessions=100, cpu=0.1).action == "hold"
    advice = watched(advisor, 1, start_s=1799, instances=6, sessions=100, cpu=0.1)
    assert (advice.action, advice.target) == ("down", 5)


def test_without_cpu_figures_nobody_says_down() -> None:
    assert watched(Advisor(), 4000, instances=6, sessions=10, cpu=None, memory=None).action == "hold"


def test_never_below_the_least_nor_above_the_most() -> None:
    low = watched(Advisor(), 4000, instances=4, sessions=1, cpu=0.01)
    assert (low.action, low.target) == ("hold", 4)
    assert "BLAZZ_SCALE_MIN_INSTANCES" in low.reasons[-1]
    high = watched(Advisor(), 4000, instances=12, sessions=480)
    assert (high.action, high.target) == ("hold", 12)
    assert "BLAZZ_SCALE_MAX_INSTANCES" in high.reasons[-1]
    assert watched(Advisor(), 0, instances=0).target == 4
    assert watched(Advisor(), 0, instances=3).target == 4


def test_never_down_when_the_loss_of_another_could_not_be_carried() -> None:
    advice = watched(Advisor(least=1), 4000, instances=2, sessions=140, cpu=0.1)
    assert (advice.action, advice.target) == ("hold", 2)
    assert "could not carry" in advice.reasons[-1]


def test_alerts_at_70_and_85_percent() -> None:
    shown = (
        InstanceSample("a", 360, 500, 0.1, 0.5),
        InstanceSample("b", 430, 500, 0.1, 0.5),
        InstanceSample("c", 350, 500, 0.1, 0.9),
    )
    alerts = {(one.subject, one.signal): one.level for one in Advisor().feed(Sample(0, shown)).alerts}
    assert alerts == {
        ("cluster", "sessions"): "warning",
        ("a", "sessions"): "warning",
        ("b", "sessions"): "critical",
        ("c", "memory"): "critical",
    }


def test_sessions_of_dead_instances_count() -> None:
    shown = tuple(InstanceSample(f"instance-{index}", 100, 500) for index in range(4))
    advice = Advisor().feed(Sample(0, shown, homeless=1300))
    assert (advice.signals.sessions, advice.signals.spare_with_one_down) == (1700, -200)


def test_the_order_of_time_is_kept() -> None:
    advisor = Advisor()
    watched(advisor, 0, start_s=10)
    with pytest.raises(ValueError, match="order of time"):
        watched(advisor, 0, start_s=9)


@given(
    looks=st.lists(
        st.tuples(
            st.floats(0, 900),
            st.lists(st.tuples(st.integers(0, 800), st.integers(0, 750)), max_size=15),
            st.floats(0, 1),
        ),
        max_size=30,
    ),
    least=st.integers(1, 5),
    more=st.integers(0, 8),
)
@settings(max_examples=150, deadline=None)
def test_advice_stays_within_its_bounds(
    looks: list[tuple[float, list[tuple[int, int]], float]], least: int, more: int
) -> None:
    advisor, now_s = Advisor(least=least, most=least + more), 0.0
    for passed_s, rows, load in looks:
        now_s += passed_s
        shown = tuple(InstanceSample(str(at), count, room, load, load) for at, (count, room) in enumerate(rows))
        advice = advisor.feed(Sample(now_s, shown))
        assert advice.reasons
        match advice.action:
            case "up":
                assert advice.current < advice.target <= least + more
            case "down":
                assert least <= advice.target == advice.current - 1
                places = sorted(room for _, room in rows)
                assert sum(count for count, _ in rows) <= sum(places[:-2])
            case "hold":
                assert advice.target == advice.current


def test_signals_are_shown_as_gauges_and_withdrawn() -> None:
    signals.publish(watched(Advisor(), 0, sessions=380))
    shown = metrics.exposition().decode()
    assert "blazz_cluster_spare_with_one_down -20.0" in shown
    assert "blazz_cluster_sessions_used 0.76" in shown
    signals.publish(None)
    assert "blazz_cluster_sessions_used NaN" in metrics.exposition().decode()
