"""Which workspaces to move so that instances are evenly filled, or so that each is where the strategy would put it.

Plans are lists of whole workspaces (or of the part of a split one that an instance has), in an order in which each move
finds room when those before it are done. They are previews: carrying them out is the business of planned moves.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from blazz.cluster.capacity import InstanceLoad
from blazz.cluster.placement import Board, Strategy

BALANCED = 0.2  # (max - min) / average below this is balanced: the product's rule
Mode = Literal["even", "toward_strategy"]
_PASSES = 3  # over all workspaces, towards the strategy: what one pass moves makes room for the next


@dataclass(frozen=True, slots=True)
class WorkspaceLoad:
    """A workspace and its running sessions by instance (one that moves counts at its target)."""

    workspace_id: uuid.UUID
    number: int
    where: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WorkspaceMove:
    """All sessions that a workspace has on one instance go to another."""

    workspace_id: uuid.UUID
    source_id: str
    target_id: str
    sessions: int


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """What would move, and the sessions by usable instance before and after."""

    mode: Mode
    moves: list[WorkspaceMove]
    before: dict[str, int]
    after: dict[str, int]
    imbalance_before: float
    imbalance_after: float

    @property
    def balanced(self) -> bool:
        """Whether the plan ends below the threshold of 20 %."""
        return self.imbalance_after < BALANCED

    @property
    def sessions(self) -> int:
        """How many sessions move."""
        return sum(move.sessions for move in self.moves)


def imbalance(instances: Iterable[InstanceLoad]) -> float:
    """Return (max - min) / average of the usable instances' utilization, as a fraction; 0 for fewer than two.

    With equal capacities this is the product's (max-min)/avg of sessions.
    """
    return _imbalance(Board(instances, "least_loaded"))


def rebalance_plan(
    workspaces: Iterable[WorkspaceLoad],
    instances: Iterable[InstanceLoad],
    strategy: Strategy,
    *,
    mode: Mode = "even",
    configured_count: int | None = None,
    most_moves: int | None = None,
) -> RebalancePlan:
    """Return the moves of whole workspaces that even the instances out, at most `most_moves`.

    `even`: few moves (greedily those that help most) until (max - min) / average is below 20 %, or nothing helps any
    more. `toward_strategy`: every workspace goes where the strategy puts it, as far as there is room, and parts of one
    come together. For `rendezvous` a workspace leaves only an instance that is too full, for one that it prefers; what
    that leaves uneven is evened out. Sessions on instances that are not usable stay: draining and failover have them.
    """
    board = Board(instances, strategy, configured_count)
    places = {
        workspace.workspace_id: {name: count for name, count in workspace.where.items() if count > 0}
        for workspace in workspaces
    }
    before, imbalance_before = _sessions(board), _imbalance(board)
    limit = len(places) * max(1, len(board.usable)) if most_moves is None else most_moves
    if mode == "even" or strategy == "least_loaded":
        moves = _even_out(board, places, limit)
    else:
        numbers = {workspace.workspace_id: workspace.number for workspace in workspaces}
        moves = _toward(board, strategy, places, numbers, limit)
        if strategy == "rendezvous":  # what preferences leave uneven; it is not taken back by the next plan
            moves += _even_out(board, places, limit - len(moves))
    return RebalancePlan(mode, moves, before, _sessions(board), imbalance_before, _imbalance(board))


def _sessions(board: Board) -> dict[str, int]:
    return {name: board.sessions[name] for name in board.usable}


def _imbalance(board: Board) -> float:
    average = board.average()
    if len(board.usable) < 2 or average == 0:
        return 0.0
    shares = [board.utilization(name) for name in board.usable]
    return (max(shares) - min(shares)) / average


def _even_out(board: Board, places: dict[uuid.UUID, dict[str, int]], limit: int) -> list[WorkspaceMove]:
    """Move workspaces from fuller to emptier instances until balanced; `places` and `board` follow."""
    held: dict[str, list[tuple[int, uuid.UUID]]] = {name: [] for name in board.usable}
    for workspace_id, where in places.items():
        for name, count in where.items():
            if name in held:
                held[name].append((count, workspace_id))
    for pile in held.values():
        pile.sort()
    moves: list[WorkspaceMove] = []
    while len(moves) < limit and _imbalance(board) >= BALANCED:
        move = _most_helpful(board, held)
        if move is None:
            break
        held[move.source_id].remove((move.sessions, move.workspace_id))
        there = places[move.workspace_id].pop(move.source_id)
        joined = places[move.workspace_id].get(move.target_id, 0)
        if joined:
            held[move.target_id].remove((joined, move.workspace_id))
        places[move.workspace_id][move.target_id] = joined + there
        insort(held[move.target_id], (joined + there, move.workspace_id))
        board.take(move.source_id, -there)
        board.take(move.target_id, there)
        moves.append(move)
    return moves


def _most_helpful(board: Board, held: Mapping[str, list[tuple[int, uuid.UUID]]]) -> WorkspaceMove | None:
    """Return the move between the fullest and the emptiest instance that brings both closest to the average.

    When the two have no workspace that helps, the next pairs are tried; None when no pair has one.
    """
    ranked = sorted(board.usable, key=lambda name: (board.utilization(name), board.usable[name].index))
    for source in (ranked[-1], *ranked[-2:0:-1]):
        for target in ranked:
            if board.utilization(target) >= board.utilization(source):
                break
            # Only pairs that contain an extreme change the imbalance.
            if source != ranked[-1] and target != ranked[0]:
                continue
            found = _between(board, source, target, held[source])
            if found is not None:
                return WorkspaceMove(found[1], source, target, found[0])
    return None


def _between(board: Board, source: str, target: str, pile: list[tuple[int, uuid.UUID]]) -> tuple[int, uuid.UUID] | None:
    average = board.average()
    over = board.sessions[source] - average * board.usable[source].places
    under = average * board.usable[target].places - board.sessions[target]
    wanted = max(1.0, min(over, under))
    gap = board.utilization(source) - board.utilization(target)
    # As much as this, and the two only change roles.
    most = gap * min(board.usable[source].places, board.usable[target].places)
    room = board.room(target)
    at = bisect_left(pile, (int(wanted + 0.5), uuid.UUID(int=0)))
    near = [one for one in pile[max(0, at - 1) : at + 1] if one[0] < most and one[0] <= room]
    return min(near, key=lambda one: (abs(one[0] - wanted), one[1]), default=None)


def _toward(
    board: Board,
    strategy: Strategy,
    places: dict[uuid.UUID, dict[str, int]],
    numbers: Mapping[uuid.UUID, int],
    limit: int,
) -> list[WorkspaceMove]:
    """Move workspaces to where the strategy puts them; `places` and `board` follow."""
    moves: list[WorkspaceMove] = []
    ranks = {
        workspace_id: board.preferred(workspace_id, numbers[workspace_id]) for workspace_id in sorted(places, key=str)
    }
    for _ in range(_PASSES):
        moved = len(moves)
        for workspace_id, ranked in ranks.items():
            where = places[workspace_id]
            here = [name for name in where if name in board.usable]
            if not here or len(moves) + len(here) > limit:
                continue
            home = max(here, key=lambda name: (where[name], -ranked.index(name)))
            total = sum(where[name] for name in here)
            target = _better(board, strategy, ranked, home, total, where)
            if target is None and len(here) > 1 and board.room(home) >= total - where[home]:
                target = home  # its parts come together
            if target is None:
                continue
            for source in [name for name in here if name != target]:
                count = where.pop(source)
                where[target] = where.get(target, 0) + count
                board.take(source, -count)
                board.take(target, count)
                moves.append(WorkspaceMove(workspace_id, source, target, count))
        if len(moves) == moved:
            break
    return moves


def _better(
    board: Board, strategy: Strategy, ranked: list[str], home: str, sessions: int, where: Mapping[str, int]
) -> str | None:
    """Return an instance that comes before `home` in the strategy's order and takes the whole workspace.

    For `rendezvous` only from an instance that is notably fuller than the average to one below it: a workspace that
    was passed on once need not come back, which would cost more moves than it mends.
    """
    hashed = strategy == "rendezvous"
    if hashed and board.even(home):
        return None
    for name in ranked[: ranked.index(home)]:
        coming = sessions - where.get(name, 0)
        helps = board.utilization(name) <= board.average() and board.utilization(name) + coming / board.usable[
            name
        ].places < board.utilization(home)
        if board.room(name) >= coming and (helps or not hashed):
            return name
    return None
