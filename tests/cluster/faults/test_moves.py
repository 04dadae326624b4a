"""Planned moves under load: drains, ends by SIGTERM, a rolling restart. Each number is away for a moment only."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select

from blazz.cluster.tables import cluster_moves
from blazz.kit.time import utc_now
from tests.cluster.faults.fire import SCOPE, Fire
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]
AWAY_S = 5.0  # product rule


async def seconds_away(fire: Fire, since: dt.datetime) -> list[float]:
    """Return how long each moved number was away, once all are connected again."""

    async def all_back() -> list[float] | None:
        statement = select(cluster_moves).where(cluster_moves.c.moved_at >= since)
        rows = await fire.stand.database.read(SCOPE, lambda tx: tx.all(statement))
        if any(row["connected_at"] is None for row in rows):
            return None
        return [(row["connected_at"] - row["away_at"]).total_seconds() for row in rows]

    found = await eventually(all_back, within_s=60, every_s=0.2, what="all moved numbers are connected")
    return found or []


async def test_a_drained_instance_gives_its_numbers_away_one_by_one(fire: Fire) -> None:
    stand = fire.stand
    async with fire.cut("drain") as cut:
        owner, began = await fire.busiest(), utc_now()
        left = (await fire.owned())[owner.name]
        path = f"/admin/cluster/instances/{owner.name}"
        cut.started()
        await stand.api.insist("POST", f"{path}/drain", headers=stand.owner_headers)
        await stand.moved(left, owner)
        away = await seconds_away(fire, began)
        cut.recovery_s += away
        assert len(away) == len(left)
        assert max(away) < AWAY_S
        assert owner.running
        assert (await stand.members())[owner.name].state == "draining"
        await stand.api.insist("POST", f"{path}/resume", headers=stand.owner_headers)


@pytest.mark.prove
async def test_an_instance_that_dies_in_its_drain_loses_nothing(fire: Fire) -> None:
    stand = fire.stand
    async with fire.cut("killed while draining") as cut:
        owner = await fire.busiest()
        left = (await fire.owned())[owner.name]
        await stand.api.insist("POST", f"/admin/cluster/instances/{owner.name}/drain", headers=stand.owner_headers)

        async def begun() -> bool:
            return len((await fire.owned()).get(owner.name, [])) < len(left)

        await eventually(begun, within_s=30, what="the first number has moved")
        cut.started()
        await owner.kill("both")
        await cut.moved(left, owner)


async def test_a_rolling_restart_of_all_instances_loses_nothing(fire: Fire) -> None:
    async with fire.cut("rolling restart") as cut:
        began = utc_now()
        for role in fire.stand.instances:
            generation = (await fire.stand.members())[role.name].generation
            cut.started()
            await role.stop(drain=True)
            assert await role.ended() == 0
            await role.start()
            assert (await fire.stand.members())[role.name].generation == generation + 1
        away = await seconds_away(fire, began)
        cut.recovery_s += away
        assert len(away) >= len(fire.numbers), "each number moved at least once"
        assert max(away) < AWAY_S
