"""Who decides: two workers that both believe to lead, most instances gone at once, no room for what is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from blazz.cluster.tables import assignments
from tests.cluster.faults.fire import LEASE_S, SCOPE, Fire, fire_on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]


@pytest.mark.prove
async def test_a_former_leader_that_wakes_up_moves_nothing_a_second_time(fire: Fire) -> None:
    stand = fire.stand
    async with fire.cut("two leaders") as cut:
        former, owner, before = await stand.leader(), await fire.busiest(), await fire.epochs()
        left = (await fire.owned())[owner.name]
        former.freeze()
        successor = next(role for role in stand.workers if role is not former)

        async def leads() -> bool:
            return "blazz_controller_leading 1" in await stand.metrics(successor)

        await eventually(leads, within_s=20, every_s=0.2, what="another worker leads")
        cut.started()
        await owner.kill("both")

        async def given_up() -> bool:
            return (await stand.members())[owner.name].state == "dead"

        await eventually(given_up, within_s=3 * LEASE_S, every_s=0.02, what="the instance is given up")
        former.thaw()
        await cut.moved(left, owner)
        after = await fire.epochs()
        assert {after[one.account_id][1] - before[one.account_id][1] for one in left} == {1}, "each moved once"


async def test_when_most_instances_are_gone_at_once_a_second_lease_is_waited_for(fire: Fire) -> None:
    async with fire.cut("3 of 4 instances killed") as cut:
        survivor, *gone = sorted(fire.stand.instances, key=lambda role: role.name)
        left = [one for role in gone for one in (await fire.owned()).get(role.name, [])]
        held = await fire.events_named("cluster.hold")
        assert left
        cut.started()
        for role in gone:
            await role.kill("both")
        seconds = await cut.recovered()
        assert seconds > 1.5 * LEASE_S
        assert await fire.events_named("cluster.hold") == held + 1
        assert set(await fire.owned()) == {survivor.name}


@pytest.mark.prove
async def test_numbers_that_fit_nowhere_wait_visibly_and_are_served_when_there_is_room(tmp_path: Path) -> None:
    settings = {"instance_capacity": 4, "placement_strategy": "least_loaded", "n_minus_one": "off"}
    async with fire_on(
        "postgresql", tmp_path, instances=2, numbers=6, gateways=1, workers=1, settings=settings
    ) as fire:
        stand = fire.stand
        async with fire.cut("no room for the numbers of a dead instance") as cut:
            dead, survivor = stand.instances
            left = (await fire.owned())[dead.name]
            assert len(left) >= 3, "six numbers on two instances for four each"
            await dead.kill("both")

            async def waiting() -> bool:
                statement = select(assignments.c.queue_reason).where(assignments.c.queued_at.is_not(None))
                rows = await stand.database.read(SCOPE, lambda tx: tx.all(statement))
                return len(rows) == 2 and all(row["queue_reason"] for row in rows)  # four of six have room

            await eventually(waiting, within_s=30, what="two numbers wait")
            shown = await stand.api.insist("GET", "/admin/cluster/queue", headers=stand.owner_headers)
            assert len(shown["data"]) == 2
            assert len((await fire.owned())[survivor.name]) == 4
            cut.started()
            await stand.add_role("instance").start()
            await cut.recovered()
            assert not await waiting()
        dead_again = stand.roles[dead.name]
        assert dead_again.name not in await fire.owned(), "a returning instance gets nothing back by itself"
