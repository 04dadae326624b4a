"""`failover`: kill -9 of an instance with its engine host, under load: until it is noticed, until its numbers are back.

Two kinds, in turn. `lease`: nobody is left who could tell and the lease has to run out, as when a machine is lost.
`released`: a parent reaps both processes and writes the release record, as `blazz up --instances` and systemd do. The
figures at the top are those of `lease`. After each kill the instance is started again and the sessions are evened out.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cluster_stand import SCOPE, Load, Outages, cluster, even_out, figures_of, link, owned_by, tell
from benchmarks.figures import machine, percentile
from benchmarks.stand import keep_logs
from blazz.cluster import failover, membership
from blazz.instance.release import release
from blazz.kit.settings import Settings
from tests.support.cluster import ClusterStand, Number, Role

_INSTANCES = 4
_SESSIONS = 200
_CUSTOMERS = 20
_PER_SECOND = 5.0  # messages each way
_RECOVERED_S = 60.0
_TO_REACH_S = 10.0  # the logs of a kill that took longer are kept
_KINDS = ("lease", "released")


@dataclass(frozen=True, slots=True)
class _Kill:
    kind: str
    sessions: int
    detect_s: float
    recovery_s: float


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Link, kill one instance after another, count."""
    sessions, instances = options.sessions or _SESSIONS, options.instances or _INSTANCES
    kills: list[_Kill] = []
    limit_s = 300 + sessions * 2 + options.kills * len(_KINDS) * 60
    async with cluster("failover", instances=instances, limit_s=limit_s) as stand, Outages(stand.network) as outages:
        numbers, witness = await link(stand, sessions)
        tell(options, f"{sessions} sessions on {instances} instances are connected")
        customers = [await stand.customer() for _ in range(_CUSTOMERS)]
        async with Load(stand, numbers, customers, _PER_SECOND) as load:
            for turn in range(options.kills * len(_KINDS)):
                # each kind meets each instance
                victim, kind = stand.instances[turn // len(_KINDS) % instances], _KINDS[turn % len(_KINDS)]
                owned = await owned_by(stand, victim, numbers)
                if not owned:  # in a small try
                    tell(options, f"{turn + 1} {victim.name} has no session")
                    continue
                kills.append(await _kill(stand, outages, victim, kind, owned))
                if kills[-1].recovery_s > _TO_REACH_S:
                    keep_logs(stand.directory, f"failover-slow-{turn + 1}")
                tell(options, f"{turn + 1} {victim.name} {kills[-1]}")
                await victim.start()
                await even_out(stand)
                load.check()
        await stand.connected(numbers)
        counts = await stand.traffic.complete(within_s=120)
        result = figures_of(counts, stand, witness)
    return {
        **_summary([kill for kill in kills if kill.kind == "lease"]),
        **result,
        "with_release_record": _summary([kill for kill in kills if kill.kind == "released"]),
        "sessions": sessions,
        "instances": instances,
        "load_per_s": f"{_PER_SECOND:.0f} received, {_PER_SECOND:.0f} sent",
        "lease_s": Settings().lease_s,
        "renew_s": Settings().renew_s,
        "database": "PostgreSQL",
        "machine": machine(),
    }


def _summary(kills: Sequence[_Kill]) -> dict[str, Any]:
    detect = [kill.detect_s for kill in kills]
    recovery = [kill.recovery_s for kill in kills]
    return {
        "kills": len(kills),
        "detect_p95_s": round(percentile(detect, 0.95), 2),
        "recovery_p95_s": round(percentile(recovery, 0.95), 2),
        "detect_p50_s": round(percentile(detect, 0.5), 2),
        "recovery_p50_s": round(percentile(recovery, 0.5), 2),
        "recovery_max_s": round(max(recovery), 2),
        "sessions_killed_p50": round(percentile([kill.sessions for kill in kills], 0.5)),
    }


async def _kill(stand: ClusterStand, outages: Outages, victim: Role, kind: str, owned: Sequence[Number]) -> _Kill:
    """Kill both processes; return the seconds until it was known to be gone, and until its last number was back."""
    killed = time.monotonic()
    noticed = asyncio.create_task(_noticed(stand, victim))
    try:
        await victim.kill("both")
        if kind == "released":
            settings = Settings(data_dir=victim.directory, instance_id=victim.name)
            await release(stand.database, settings, timeout_s=_RECOVERED_S)
        last = await outages.back([number.phone for number in owned], killed, within_s=_RECOVERED_S)
        known = await noticed
    finally:
        noticed.cancel()
    # who is connected is so under another owner, by the database as well
    await stand.moved(owned, victim, within_s=_RECOVERED_S)
    return _Kill(kind, len(owned), round(known - killed, 2), round(last - killed, 2))


async def _noticed(stand: ClusterStand, victim: Role) -> float:
    """Wait until the cluster knows that an instance is gone."""
    async with asyncio.timeout(_RECOVERED_S):
        while True:
            found = await stand.database.read(SCOPE, membership.find, victim.name)
            if found is not None and failover.is_gone(found):
                return time.monotonic()
            await asyncio.sleep(0.03)
