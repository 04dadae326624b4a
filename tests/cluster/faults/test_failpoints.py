"""Kills and hangs at the places that matter: between an owner's check and its commit, in the middle of a hand-over."""

from __future__ import annotations

import random

import pytest

from tests.cluster.faults.fire import Fire
from tests.support.cluster import Number, Role

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]


async def armed(fire: Fire, failpoints: str) -> tuple[Role, list[Number]]:
    """Start an instance again with failpoints, and move two numbers to it."""
    await fire.heal()
    role, numbers = fire.stand.instances[1], fire.numbers[:2]
    await role.stop()
    await role.start(failpoints=failpoints)
    await fire.bring(numbers, role)
    return role, numbers


@pytest.mark.parametrize("action", ["kill", pytest.param("hang", marks=pytest.mark.prove)])
async def test_a_leader_that_is_cut_in_its_failover_transaction_is_followed_by_another(fire: Fire, action: str) -> None:
    await fire.heal()
    leader = await fire.stand.leader()
    for role in fire.stand.workers:
        if role is not leader:
            await role.stop()
    await leader.stop()
    await leader.start(failpoints=f"failover.checked={action}")
    assert await fire.stand.leader() is leader
    await next(role for role in fire.stand.workers if role is not leader).start()
    async with fire.cut(f"failover.checked={action}") as cut:
        owner, before = await fire.busiest(), await fire.epochs()
        left = (await fire.owned())[owner.name]
        cut.started()
        await owner.kill("both")
        await leader.reached("failover.checked")
        await cut.moved(left, owner)
        after = await fire.epochs()
        assert {after[one.account_id][1] - before[one.account_id][1] for one in left} == {1}, "each moved once"
    await leader.kill()


@pytest.mark.parametrize("point", [pytest.param("handover.closed", marks=pytest.mark.prove), "handover.committed"])
async def test_an_owner_that_dies_in_a_hand_over_leaves_one_owner(fire: Fire, point: str) -> None:
    stand = fire.stand
    owner, left = await armed(fire, f"{point}=kill")
    async with fire.cut(f"{point}=kill") as cut:
        cut.started()
        await stand.api.insist("POST", f"/admin/cluster/instances/{owner.name}/drain", headers=stand.owner_headers)
        await owner.reached(point)
        await owner.ended()
        await cut.moved(left, owner)


@pytest.mark.prove
@pytest.mark.parametrize("point", ["db.before_commit", "db.after_commit"])
async def test_a_process_that_dies_around_a_commit_has_done_nothing_or_all_of_it(fire: Fire, point: str) -> None:
    owner, left = await armed(fire, f"{point}=kill@{random.randint(90, 130)}")
    async with fire.cut(f"{point}=kill in an instance") as cut:
        await owner.reached(point, within_s=60)
        cut.started()
        await owner.ended()
        await cut.moved(left, owner)


@pytest.mark.prove
async def test_a_leader_that_dies_before_a_commit_is_followed_by_another(fire: Fire) -> None:
    async with fire.cut("db.before_commit=kill in the leader") as cut:
        leader = await fire.stand.leader()
        for role in fire.stand.workers:
            await role.stop()
        await leader.start(failpoints=f"db.before_commit=kill@{random.randint(20, 40)}")
        assert await fire.stand.leader() is leader
        await next(role for role in fire.stand.workers if role is not leader).start()
        owner = await fire.busiest()
        left = (await fire.owned())[owner.name]
        cut.started()
        await owner.kill("both")
        await leader.reached("db.before_commit", within_s=60)
        await cut.moved(left, owner)
