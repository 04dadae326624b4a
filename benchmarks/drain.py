"""`drain`: take all sessions away from an instance under load: how long it takes, how long each number is away."""

from __future__ import annotations

import argparse
import time
from typing import Any

from sqlalchemy import select

from benchmarks.cluster_stand import (
    REQUESTER,
    SCOPE,
    Load,
    Outages,
    cluster,
    even_out,
    figures_of,
    finished,
    link,
    owned_by,
    tell,
)
from benchmarks.figures import machine, median, percentile
from blazz.cluster import operations
from blazz.cluster.tables import cluster_moves
from blazz.kit.db import Tx
from blazz.kit.settings import Settings
from tests.support.cluster import ClusterStand, Number

_INSTANCES = 4
_SESSIONS = 200
_CUSTOMERS = 20
_PER_SECOND = 5.0  # messages each way
_SETTLE_S = 30.0


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Drain one instance after another; each is resumed and gets sessions back before the next."""
    sessions, instances = options.sessions or _SESSIONS, options.instances or _INSTANCES
    drains: list[dict[str, Any]] = []
    limit_s = 300 + sessions * 2 + options.repetitions * 240
    async with cluster("drain", instances=instances, limit_s=limit_s) as stand, Outages(stand.network) as outages:
        numbers, witness = await link(stand, sessions)
        tell(options, f"{sessions} sessions on {instances} instances are connected")
        customers = [await stand.customer() for _ in range(_CUSTOMERS)]
        async with Load(stand, numbers, customers, _PER_SECOND) as load:
            for turn in range(options.repetitions):
                drains.append(await _drain(stand, outages, stand.instances[turn % instances].name, numbers))
                tell(options, f"{turn + 1} {[(k, v) for k, v in drains[-1].items() if not isinstance(v, list)]}")
                load.check()
        await stand.connected(numbers)
        counts = await stand.traffic.complete(within_s=120)
        result = figures_of(counts, stand, witness)
    away = [seconds for drain in drains for seconds in drain["away"]]
    told = [seconds for drain in drains for seconds in drain["told"]]
    return {
        "sessions": round(median([drain["sessions"] for drain in drains])),
        "seconds": round(median([drain["seconds"] for drain in drains]), 2),
        "away_p95_s": round(percentile(away, 0.95), 2),
        "away_p50_s": round(percentile(away, 0.5), 2),
        "away_max_s": round(max(away), 2),
        "away_p95_s_by_the_log_of_moves": round(percentile(told, 0.95), 2),
        **result,
        "drains": len(drains),
        "sessions_of_all": sessions,
        "instances": instances,
        "move_concurrency": Settings().move_concurrency,
        "load_per_s": f"{_PER_SECOND:.0f} received, {_PER_SECOND:.0f} sent",
        "database": "PostgreSQL",
        "machine": machine(),
    }


async def _drain(stand: ClusterStand, outages: Outages, name: str, numbers: list[Number]) -> dict[str, Any]:
    """Drain an instance, wait until all is connected elsewhere, resume it and even the sessions out."""
    role = stand.roles[name]
    owned = await owned_by(stand, role, numbers)
    if not owned:
        raise RuntimeError(f"{name} owns no session: there is nothing to measure")
    phones = [number.phone for number in owned]
    began = time.monotonic()
    operation = await stand.database.write(SCOPE, operations.drain, name, REQUESTER)
    operation = await finished(stand, operation)
    ended = time.monotonic()
    if operation.state != "done":
        raise RuntimeError(f"the drain of {name} is {operation.state}: {operation.detail}")
    await outages.back(phones, began, within_s=_SETTLE_S)
    await stand.moved(owned, role, within_s=_SETTLE_S)
    found = {
        "sessions": len(owned),
        "seconds": ended - began,
        "away": [outage.ended - outage.began for outage in outages.during(phones, began, time.monotonic())],
        "told": await stand.database.read(SCOPE, _told, operation),
    }
    await stand.database.write(SCOPE, operations.resume, name, REQUESTER)
    await even_out(stand)
    return found


def _told(tx: Tx, operation: operations.Operation) -> list[float]:
    """Return the seconds of absence that the product itself has written down."""
    rows = tx.all(select(cluster_moves).where(cluster_moves.c.operation_id == operation.id))
    return [(row["connected_at"] - row["away_at"]).total_seconds() for row in rows if row["connected_at"] is not None]
