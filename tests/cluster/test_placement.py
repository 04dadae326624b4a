"""Placement: which instance a workspace gets, what fits nowhere, and how little moves when instances come and go."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blazz.cluster.placement import (
    InstanceLoad,
    Placement,
    Strategy,
    WorkspaceSessions,
    choose,
    rendezvous,
    spread,
    workspace_modulo,
)
from blazz.kit.errors import BlazzError

STRATEGIES: tuple[Strategy, ...] = ("workspace_modulo", "rendezvous", "least_loaded")
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def an_instance(index: int, sessions: int = 0, capacity: int = 500, state: str = "healthy") -> InstanceLoad:
    return InstanceLoad(f"instance-{index}", index, 3, state, capacity, sessions)


def some_instances(count: int, capacity: int = 500) -> list[InstanceLoad]:
    return [an_instance(index, capacity=capacity) for index in range(count)]


def some_workspaces(rng: random.Random, count: int, *, sessions: int | None = None) -> list[WorkspaceSessions]:
    """Return random workspaces, most of them small, of 1 to 20 sessions each; `sessions` in all at most."""
    sizes = [min(20, 1 + int(rng.expovariate(0.4))) for _ in range(count)]
    while sessions is not None and sum(sizes) > sessions:
        at = rng.randrange(count)
        sizes[at] = max(1, sizes[at] - 1)
    return [
        WorkspaceSessions(
            uuid.UUID(int=rng.getrandbits(128)),
            number,
            tuple(uuid.UUID(int=rng.getrandbits(128)) for _ in range(size)),
        )
        for number, size in enumerate(sizes, 1)
    ]


def place(
    instances: list[InstanceLoad],
    *,
    strategy: Strategy = "rendezvous",
    number: int = 1,
    needed: int = 1,
    present: dict[str, int] | None = None,
    configured: int | None = None,
) -> Placement:
    workspace_id = uuid.UUID(int=number * 7919)
    return choose(strategy, workspace_id, number, needed, instances, present=present, configured_count=configured)


def test_workspace_modulo_is_the_originals_formula() -> None:
    names = [f"instance-{index}" for index in range(4)]
    assert [workspace_modulo(number, names) for number in (1, 4, 7)] == ["instance-1", "instance-0", "instance-3"]
    for number in range(1, 50):
        assert place(some_instances(4), strategy="workspace_modulo", number=number).instance_id == names[number % 4]


def test_modulo_counts_by_the_configured_number_and_goes_on_in_the_ring() -> None:
    present = [an_instance(0), an_instance(1), an_instance(2, state="draining"), an_instance(4)]

    def index_for(number: int, configured: int) -> str:
        return place(present, strategy="workspace_modulo", number=number, configured=configured).instance_id

    assert index_for(1, 4) == "instance-1"
    assert index_for(2, 4) == "instance-4", "2 drains and 3 does not exist"
    assert index_for(3, 4) == "instance-4"
    assert index_for(4, 4) == "instance-0", "an instance beyond the configured count is never first"
    assert index_for(5, 6) == "instance-0", "5 does not exist; the ring begins again"


def test_least_loaded_compares_by_capacity() -> None:
    loads = [an_instance(0, 100, 200), an_instance(1, 150, 500), an_instance(2, 160, 500)]
    assert place(loads, strategy="least_loaded").instance_id == "instance-1"


@every_strategy
def test_what_a_workspace_has_already_wins(strategy: Strategy) -> None:
    for index in range(4):
        placed = place(some_instances(4), strategy=strategy, present={f"instance-{index}": 3})
        assert placed.instance_id == f"instance-{index}"
        assert not placed.split


@every_strategy
def test_a_workspace_whose_instance_is_full_gets_another_and_is_split(strategy: Strategy) -> None:
    loads = [an_instance(0, 500), an_instance(1, 10), an_instance(2, 20)]
    placed = place(loads, strategy=strategy, present={"instance-0": 4})
    assert placed.instance_id != "instance-0"
    assert placed.split
    assert "no room" in placed.why


@every_strategy
def test_a_workspace_that_no_instance_can_hold_is_placed_in_part(strategy: Strategy) -> None:
    placed = place([an_instance(0, 497), an_instance(1, 495)], strategy=strategy, needed=7)
    assert (placed.instance_id, placed.placed, placed.split) == ("instance-1", 5, True)


@every_strategy
def test_without_room_the_error_names_the_ways_out(strategy: Strategy) -> None:
    with pytest.raises(BlazzError) as full:
        place([an_instance(0, 500), an_instance(1, 500), an_instance(2, state="draining")], strategy=strategy)
    assert (full.value.code, full.value.status) == ("no_capacity", 409)
    for way in ("1000 places", "Add an instance", "BLAZZ_INSTANCE_CAPACITY", "750", "disconnect numbers"):
        assert way in full.value.detail


@every_strategy
def test_without_a_usable_instance_the_answer_is_503(strategy: Strategy) -> None:
    silent = replace(an_instance(0), alive=False)
    with pytest.raises(BlazzError) as nobody:
        place([silent, an_instance(1, state="draining"), an_instance(2, state="stopped")], strategy=strategy)
    assert (nobody.value.code, nobody.value.status) == ("no_instance", 503)


@every_strategy
def test_never_more_than_750_whatever_the_row_says(strategy: Strategy) -> None:
    with pytest.raises(BlazzError, match="no_capacity"):
        place([an_instance(0, 750, capacity=5000)], strategy=strategy)


instance_lists = st.lists(
    st.tuples(
        st.integers(0, 800),
        st.integers(0, 800),
        st.sampled_from(["healthy", "healthy", "draining", "stopped", "dead"]),
        st.booleans() | st.just(True),
    ),
    min_size=1,
    max_size=8,
).map(
    lambda rows: [
        InstanceLoad(f"instance-{index}", index, 1, state, capacity, sessions, alive)
        for index, (sessions, capacity, state, alive) in enumerate(rows)
    ]
)


@given(
    loads=instance_lists,
    strategy=st.sampled_from(STRATEGIES),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=300, deadline=None)
def test_spreading_uses_only_room_that_is_there_and_splits_only_when_it_must(
    loads: list[InstanceLoad], strategy: Strategy, sizes: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    asked = [
        WorkspaceSessions(
            uuid.UUID(int=rng.getrandbits(128)),
            number,
            tuple(uuid.UUID(int=rng.getrandbits(128)) for _ in range(size)),
            priority=rng.randint(0, 2),
            present={rng.choice(loads).id: rng.randint(1, 5)} if rng.random() < 0.3 else {},
        )
        for number, size in enumerate(sizes)
    ]
    result = spread(asked, loads, strategy)
    placed = [move.account_id for move in result.moves] + [one.account_id for one in result.waiting]
    assert sorted(placed, key=str) == sorted((account for one in asked for account in one.accounts), key=str)
    assert len(set(placed)) == len(placed), "each session has one place, or waits"

    by_id = {load.id: load for load in loads}
    got = Counter(move.target_id for move in result.moves)
    for name, count in got.items():
        load = by_id[name]
        assert load.alive and load.state == "healthy", f"placed on {load}"
        assert load.sessions + count <= min(load.capacity, 750)
    if result.waiting:
        for load in loads:
            if load.usable:
                assert load.sessions + got[load.id] >= load.places, "nobody waits while there is room"

    # Replayed in the order served: a workspace is whole whenever an instance could hold it whole at its turn.
    room = {load.id: load.room for load in loads}
    targets: dict[uuid.UUID, Counter[str]] = {one.workspace_id: Counter() for one in asked}
    for move in result.moves:
        targets[move.workspace_id][move.target_id] += 1
    order = sorted(asked, key=lambda one: (-one.priority, -len(one.accounts), one.number))
    for one in order:
        parts = targets[one.workspace_id]
        size = len(one.accounts)
        if any(free >= size for free in room.values()):
            assert len(parts) == 1, "split without need"
            home = next(iter(one.present), None)
            if home is not None and by_id[home].usable and room[home] >= size:
                assert set(parts) == {home}, "an existing assignment wins"
        elif not one.present:
            rooms = sorted(room.values(), reverse=True)
            needed, fewest = min(size, sum(rooms)), 0
            while sum(rooms[:fewest]) < needed:
                fewest += 1
            assert len(parts) == fewest, "more parts than needed"
        for name, count in parts.items():
            room[name] -= count


def test_workspaces_of_higher_priority_are_served_first_and_the_rest_waits_with_the_reason() -> None:
    rng = random.Random(5)
    plain, paying = (replace(one, accounts=one.accounts[:1]) for one in some_workspaces(rng, 2))
    result = spread([plain, replace(paying, priority=5)], [an_instance(0, 499)], "rendezvous")
    assert [move.workspace_id for move in result.moves] == [paying.workspace_id]
    assert [(one.workspace_id, one.reason) for one in result.waiting] == [(plain.workspace_id, "no_capacity")]
    nobody = spread([plain], [an_instance(0, state="dead")], "rendezvous")
    assert [one.reason for one in nobody.waiting] == ["no_instance"]


def off_average(counts: list[int]) -> float:
    """Return the largest deviation from the average, as a fraction of it."""
    average = sum(counts) / len(counts)
    return max(abs(count - average) for count in counts) / average


@given(strategy=st.sampled_from(["rendezvous", "least_loaded"]), count=st.integers(4, 8), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_500_workspaces_fill_instances_within_20_percent_of_the_average(
    strategy: Strategy, count: int, seed: int
) -> None:
    """Holds for 500 workspaces and more of 1 to 20 sessions that fit within N-1."""
    rng = random.Random(seed)
    asked = some_workspaces(rng, rng.randint(500, 1000), sessions=(count - 1) * 750)
    result = spread(asked, some_instances(count, 750), strategy)
    assert not result.waiting
    got = Counter(move.target_id for move in result.moves)
    assert off_average([got[f"instance-{index}"] for index in range(count)]) <= 0.2, got


@given(count=st.integers(4, 8), seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_rendezvous_and_modulo_alone_are_even_over_thousands_of_workspaces(count: int, seed: int) -> None:
    """The plain formulas look at no load: they need 10,000 workspaces of 1 to 20 sessions for the same 20 %."""
    rng = random.Random(seed)
    names = [f"instance-{index}" for index in range(count)]
    modulo, hashed = Counter[str](), Counter[str]()
    for number in range(1, 10_001):
        size = rng.randint(1, 20)
        modulo[workspace_modulo(number, names)] += size
        hashed[rendezvous(uuid.UUID(int=rng.getrandbits(128)), names)] += size
    assert off_average([modulo[name] for name in names]) <= 0.2
    assert off_average([hashed[name] for name in names]) <= 0.2


def remapped(strategy: str, before: int, after: int, ids: list[uuid.UUID]) -> float:
    """Return the share of workspaces that a change of the number of instances gives to another instance."""
    old = [f"instance-{index}" for index in range(before)]
    new = [f"instance-{index}" for index in range(after)]
    moved = 0
    for number, workspace_id in enumerate(ids, 1):
        if strategy == "rendezvous":
            moved += rendezvous(workspace_id, old) != rendezvous(workspace_id, new)
        else:
            moved += workspace_modulo(number, old) != workspace_modulo(number, new)
    return moved / len(ids)


@pytest.mark.parametrize(("before", "after"), [(4, 6), (6, 8), (8, 7), (4, 5), (8, 9)])
def test_rendezvous_moves_what_comes_and_goes_and_modulo_nearly_everything(before: int, after: int) -> None:
    rng = random.Random(11)
    ids = [uuid.UUID(int=rng.getrandbits(128)) for _ in range(10_000)]
    fair = abs(after - before) / max(before, after)
    assert remapped("rendezvous", before, after, ids) <= 1.15 * fair
    assert remapped("workspace_modulo", before, after, ids) > 1.5 * fair


def test_a_dead_instance_moves_only_its_own_workspaces() -> None:
    rng = random.Random(3)
    everybody = [f"instance-{index}" for index in range(8)]
    left = everybody[:3] + everybody[4:]
    for _ in range(2000):
        workspace_id = uuid.UUID(int=rng.getrandbits(128))
        first = rendezvous(workspace_id, everybody)
        if first != "instance-3":
            assert rendezvous(workspace_id, left) == first
