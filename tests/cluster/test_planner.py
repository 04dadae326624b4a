"""The capacity planner: N-1 and spare, money from an editable table, and where each figure comes from."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blazz.cluster.planner import Request, plan, render
from blazz.cluster.planner.data import PRICES, figures, price_table
from blazz.cluster.planner.plan import instances_needed
from blazz.kit.errors import BlazzError


@pytest.mark.parametrize(("sessions", "instances"), [(1, 4), (1000, 4), (1500, 4), (1501, 5), (2000, 5), (3000, 8)])
def test_500_places_an_instance_with_spare_and_n_minus_one(sessions: int, instances: int) -> None:
    assert plan(Request(sessions)).instances == instances


@given(sessions=st.integers(1, 100_000), capacity=st.integers(1, 750), least=st.integers(1, 12))
@settings(deadline=None)
def test_the_fewest_instances_with_20_percent_spare_that_may_lose_one(sessions: int, capacity: int, least: int) -> None:
    def carries(count: int) -> bool:
        return sessions * 5 <= count * capacity * 4 and sessions <= (count - 1) * capacity and count >= least

    count = instances_needed(sessions, capacity, least)
    assert carries(count)
    assert not carries(count - 1)


def test_the_costs_add_up_and_stand_beside_the_originals() -> None:
    made = plan(Request(3000))
    assert made.monthly == pytest.approx(sum(line.monthly for line in made.costs))
    assert all(line.monthly == pytest.approx(line.count * line.each, abs=0.01) for line in made.costs)
    assert [(one.sessions, one.original) for one in made.comparison] == [(1000, 350), (2000, 520), (3000, 1305)]
    assert made.comparison[-1].monthly == made.monthly
    assert made.comparison[-1].instances == made.instances == 8


def test_memory_and_storage_follow_from_the_measured_figures() -> None:
    known = figures()
    made = plan(Request(3000, messages_per_day=200, months=6))
    assert made.instance.sessions_one_down == math.ceil(3000 / 7)
    needed = known.mb_per_instance.value + made.instance.sessions_one_down * known.mb_per_session.value
    assert made.instance.memory_gb >= needed / 1000 / 0.8
    messages = 3000 * 200 * 365 / 2
    assert made.storage.database_gb == pytest.approx(messages * known.database_kb_per_message.value / 1e6, rel=0.01)


def test_more_messages_need_more_cores() -> None:
    quiet, busy = plan(Request(3000)), plan(Request(3000, messages_per_day=5000))
    assert busy.instance.cores > 10 * quiet.instance.cores
    assert busy.monthly > quiet.monthly


def test_every_figure_says_how_when_and_where_it_was_measured() -> None:
    measured = plan(Request(1000)).measured
    assert {"mb_per_session", "store_mb_per_session", "database_kb_per_message"} <= {one.name for one in measured}
    for one in measured:
        assert one.value > 0
        assert one.command.startswith("uv run python -m benchmarks ")
        assert one.how and one.machine and one.date


def test_the_text_holds_the_plan_the_comparison_and_the_origins() -> None:
    made = plan(Request(3000))
    text = render(made)
    assert text.startswith("3,000 sessions: 8 instances of 500 places")
    assert f"{made.monthly:,.2f}" in text
    assert "1,305" in text
    for one in made.measured:
        assert one.how in text
    for sentence in made.assumed:
        assert sentence in text


def test_the_plan_is_plain_data() -> None:
    made = plan(Request(2000))
    assert json.loads(json.dumps(dataclasses.asdict(made)))["instances"] == made.instances


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (Request(0), ["sessions"]),
        (Request(100_001, months=0), ["sessions", "months"]),
        (Request(10, messages_per_day=-1), ["messages_per_day"]),
        (Request(10, messages_per_day=float("nan")), ["messages_per_day"]),
        (Request(10, instance_capacity=751), ["instance_capacity"]),
        (Request(10, least_instances=1), ["least_instances"]),
    ],
)
def test_what_cannot_be_planned_is_named(request_: Request, fields: list[str]) -> None:
    with pytest.raises(BlazzError) as refused:
        plan(request_)
    assert (refused.value.code, refused.value.status) == ("invalid_plan", 422)
    assert [error.field for error in refused.value.errors] == fields


def test_an_own_price_table_changes_the_cost(tmp_path: Path) -> None:
    mine = json.loads(PRICES.read_text())
    mine["currency"] = "EUR"
    for machine in mine["machines"]:
        machine["monthly"] *= 2
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(mine))
    ours, theirs = plan(Request(1000), price_table(path)), plan(Request(1000))
    assert ours.currency == "EUR"
    assert ours.costs[0].monthly == 2 * theirs.costs[0].monthly


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is wrong at"),
        (json.dumps({**json.loads(PRICES.read_text()), "media_storage_gb": -1}), "media_storage_gb"),
        (json.dumps({**json.loads(PRICES.read_text()), "machines": []}), "machines"),
        (json.dumps({**json.loads(PRICES.read_text()), "moon": 1}), "moon"),
    ],
)
def test_a_wrong_price_table_is_refused_by_name(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BlazzError, match="invalid_price_table") as refused:
        price_table(path)
    assert words in refused.value.detail
    assert str(path) in refused.value.detail


def test_no_machine_that_is_large_enough_is_said(tmp_path: Path) -> None:
    mine = json.loads(PRICES.read_text())
    mine["machines"] = mine["machines"][:1]
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(mine))
    with pytest.raises(BlazzError, match="no_machine_fits"):
        plan(Request(3000), price_table(path))
