"""`placement`: what moves to another instance when instances come and go, and how even they are, by strategy.

Pure computation. Two populations: 10,000 workspaces of 1 to 20 sessions against the formulas alone (no capacity), and
workspaces that fill the smaller cluster within N-1 against what the product does: spreading, failover, rebalancing.
"""

from __future__ import annotations

import argparse
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.figures import machine, median
from blazz.cluster.capacity import MAXIMUM_CAPACITY, InstanceLoad
from blazz.cluster.placement import Strategy, WorkspaceSessions, rendezvous, spread, workspace_modulo
from blazz.cluster.rebalance import WorkspaceLoad, rebalance_plan

_CHANGES = ((4, 6), (6, 8), (8, 7))
_WORKSPACES = 10_000
_STRATEGIES: tuple[Strategy, ...] = ("rendezvous", "workspace_modulo", "least_loaded")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Return medians over the repetitions; `ideal` is the share that the new or the lost instances have."""
    seeds = range(options.repetitions)
    remap: dict[str, dict[str, Any]] = {}
    balance: dict[str, dict[str, float]] = {}
    moved: dict[str, dict[str, Any]] = {}
    for before, after in _CHANGES:
        name = f"{before}->{after}"
        ideal = abs(after - before) / max(before, after)
        remap[name] = {"ideal": round(ideal, 4)}
        balance[name], moved[name] = {}, {"ideal": round(ideal, 4)}
        for strategy in _STRATEGIES:
            formula = [_by_formula(strategy, before, after, seed) for seed in seeds]
            remap[name][strategy] = round(median([share for share, _ in formula]), 4)
            balance[name][strategy] = round(median([even for _, even in formula]), 4)
            product = [_by_product(strategy, before, after, seed) for seed in seeds]
            moved[name][strategy] = {
                "moved": round(median([share for share, _ in product]), 4),
                "imbalance_after": round(median([even for _, even in product]), 4),
            }
    return {
        "remap_fraction_by_strategy": remap,
        "balance_by_strategy": balance,
        "rendezvous_by_ideal": {name: round(row["rendezvous"] / row["ideal"], 3) for name, row in remap.items()},
        "moved_by_product": moved,
        "workspaces": _WORKSPACES,
        "machine": machine(),
    }


def _by_formula(strategy: Strategy, before: int, after: int, seed: int) -> tuple[float, float]:
    """Return the share of workspaces that change their instance, and (max - min) / average of sessions afterwards."""
    rng = random.Random(seed)
    workspaces = [(uuid.UUID(int=rng.getrandbits(128)), rng.randint(1, 20)) for _ in range(_WORKSPACES)]
    old, new = (_formula(strategy, count)(workspaces) for count in (before, after))
    load = Counter({f"instance-{index}": 0 for index in range(after)})
    for (_, sessions), home in zip(workspaces, new, strict=True):
        load[home] += sessions
    return sum(a != b for a, b in zip(old, new, strict=True)) / _WORKSPACES, _imbalance(load.values())


def _formula(strategy: Strategy, count: int) -> Callable[[list[tuple[uuid.UUID, int]]], list[str]]:
    names = [f"instance-{index}" for index in range(count)]

    def place(workspaces: list[tuple[uuid.UUID, int]]) -> list[str]:
        if strategy == "rendezvous":
            return [rendezvous(workspace_id, names) for workspace_id, _ in workspaces]
        if strategy == "workspace_modulo":
            return [workspace_modulo(number, names) for number in range(1, len(workspaces) + 1)]
        load, homes = dict.fromkeys(names, 0), []
        for _, sessions in workspaces:
            home = min(names, key=lambda name: load[name])
            load[home] += sessions
            homes.append(home)
        return homes

    return place


def _by_product(strategy: Strategy, before: int, after: int, seed: int) -> tuple[float, float]:
    """Return the share of sessions that a failover or a rebalance towards the strategy moves, and the imbalance."""
    rng = random.Random(seed)
    left = (min(before, after) - 1) * MAXIMUM_CAPACITY
    asked: list[WorkspaceSessions] = []
    while left > 0:
        size = min(left, rng.randint(1, 20))
        left -= size
        accounts = tuple(uuid.UUID(int=rng.getrandbits(128)) for _ in range(size))
        asked.append(WorkspaceSessions(uuid.UUID(int=rng.getrandbits(128)), len(asked) + 1, accounts))
    placed = spread(asked, _instances(before, {}), strategy, configured_count=before).moves
    where: dict[uuid.UUID, Counter[str]] = {}
    for move in placed:
        where.setdefault(move.workspace_id, Counter())[move.target_id] += 1
    load = Counter(move.target_id for move in placed)
    if after > before:
        present = [WorkspaceLoad(one.workspace_id, one.number, where[one.workspace_id]) for one in asked]
        plan = rebalance_plan(
            present, _instances(after, load), strategy, mode="toward_strategy", configured_count=after
        )
        return plan.sessions / len(placed), plan.imbalance_after
    lost = f"instance-{after}"
    homeless = [
        WorkspaceSessions(one.workspace_id, one.number, one.accounts) for one in asked if where[one.workspace_id][lost]
    ]
    moves = spread(homeless, _instances(after, load), strategy, configured_count=before).moves
    load.update(move.target_id for move in moves)
    return len(moves) / len(placed), _imbalance(load[f"instance-{index}"] for index in range(after))


def _instances(count: int, load: dict[str, int]) -> list[InstanceLoad]:
    names = [f"instance-{index}" for index in range(count)]
    return [
        InstanceLoad(name, index, 1, "healthy", MAXIMUM_CAPACITY, load.get(name, 0)) for index, name in enumerate(names)
    ]


def _imbalance(loads: Iterable[int]) -> float:
    known = list(loads)
    return (max(known) - min(known)) / (sum(known) / len(known))
