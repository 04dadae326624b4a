"""Capacity: what the cluster could still carry with one instance down."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazz.cluster.capacity import InstanceLoad, n_minus_one_check, n_minus_one_refusal


def an_instance(index: int, sessions: int, capacity: int = 500, state: str = "healthy") -> InstanceLoad:
    return InstanceLoad(f"instance-{index}", index, 1, state, capacity, sessions)


def test_one_instance_may_be_filled() -> None:
    assert n_minus_one_check([an_instance(0, 499)], 1).ok


def test_two_instances_carry_together_what_one_can() -> None:
    loads = [an_instance(0, 250), an_instance(1, 249)]
    assert n_minus_one_check(loads, 1).ok
    over = n_minus_one_check(loads, 2)
    assert not over.ok
    assert (over.sessions, over.places) == (501, 500)


def test_the_largest_instance_is_the_one_imagined_down() -> None:
    loads = [an_instance(0, 0, 750), an_instance(1, 400, 300), an_instance(2, 0, 300)]
    check = n_minus_one_check(loads, 201)
    assert (check.ok, check.places) == (False, 600)
    assert check.reason.startswith("With instance-0 down the other 2 instances could carry 600 sessions, and 601")


def test_sessions_of_draining_and_dead_instances_have_to_be_carried_too() -> None:
    loads = [
        an_instance(0, 300),
        an_instance(1, 0),
        an_instance(2, 150, state="draining"),
        an_instance(3, 50, state="dead"),
    ]
    assert n_minus_one_check(loads, 0).ok
    assert not n_minus_one_check(loads, 1).ok


def test_a_silent_instance_counts_for_nothing() -> None:
    loads = [an_instance(0, 300), an_instance(1, 250), an_instance(2, 0)]
    assert n_minus_one_check(loads, 1).ok
    assert not n_minus_one_check([loads[0], loads[1], replace(loads[2], alive=False)], 1).ok


def test_a_refusal_names_the_ways_out() -> None:
    error = n_minus_one_refusal(n_minus_one_check([an_instance(0, 400), an_instance(1, 400)], 1))
    assert (error.code, error.status) == ("n_minus_one", 409)
    for way in ("Add an instance", "BLAZZ_INSTANCE_CAPACITY", "750", "disconnect numbers", "BLAZZ_N_MINUS_ONE=warn"):
        assert way in error.detail
    at_most = n_minus_one_refusal(n_minus_one_check([an_instance(0, 600, 750), an_instance(1, 600, 750)], 1))
    assert "raise BLAZZ_INSTANCE_CAPACITY" not in at_most.detail, "it cannot be raised"
    with pytest.raises(ValueError, match="nothing to refuse"):
        n_minus_one_refusal(n_minus_one_check([an_instance(0, 1)], 1))


@given(
    rows=st.lists(st.tuples(st.integers(0, 750), st.integers(1, 900)), min_size=2, max_size=12),
    adding=st.integers(0, 50),
)
def test_what_passes_fits_whichever_instance_goes(rows: list[tuple[int, int]], adding: int) -> None:
    loads = [an_instance(index, sessions, capacity) for index, (sessions, capacity) in enumerate(rows)]
    fits = all(
        sum(load.sessions for load in loads) + adding <= sum(min(750, load.capacity) for load in loads if load != down)
        for down in loads
    )
    assert n_minus_one_check(loads, adding).ok == fits
