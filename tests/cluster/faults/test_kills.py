"""Kill -9 of every part, one at a time, while messages flow both ways: nothing is lost, nothing comes twice."""

from __future__ import annotations

import time

import pytest

from tests.cluster.faults.fire import LEASE_S, Fire
from tests.support.network import alive
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]


@pytest.mark.on_mariadb
async def test_an_instance_that_is_killed_leaves_its_numbers_to_the_others(fire: Fire) -> None:
    async with fire.cut("instance killed") as cut:
        owner = await fire.busiest()
        left = (await fire.owned())[owner.name]
        assert left
        cut.started()
        await owner.kill("both")
        seconds = await cut.moved(left, owner)
        assert seconds > LEASE_S / 2, "nobody wrote a release record: the lease had to run out"
        assert (await fire.stand.members())[owner.name].state == "dead"


async def test_python_killed_alone_takes_its_engine_host_with_it(fire: Fire) -> None:
    async with fire.cut("Python killed") as cut:
        owner = await fire.busiest()
        left = (await fire.owned())[owner.name]
        cut.started()
        await owner.kill("python")
        await owner.engine_gone()
        await cut.moved(left, owner)


async def test_an_engine_host_killed_alone_is_started_again_under_the_same_epochs(fire: Fire) -> None:
    async with fire.cut("engine host killed") as cut:
        owner = await fire.busiest()
        before, engine = await fire.epochs(), owner.find_engine()
        assert engine is not None
        cut.started()
        await owner.kill("engine")
        assert not alive(engine)
        await eventually(lambda: owner.find_engine() not in (None, engine), what="another engine host")
        await cut.recovered()
        assert await fire.epochs() == before


@pytest.mark.prove
async def test_a_release_record_moves_the_numbers_before_the_lease_runs_out(fire: Fire) -> None:
    async with fire.cut("instance killed, released") as cut:
        owner = await fire.busiest()
        left = (await fire.owned())[owner.name]
        cut.started()
        await owner.kill("both")
        await fire.stand.release(owner)
        in_time = time.monotonic() - cut.began < LEASE_S / 2
        await cut.moved(left, owner)
        state = (await fire.stand.members())[owner.name].state
        assert state == "stopped" or not in_time, "the record was enough; nobody had to wait for the lease"


@pytest.mark.prove
async def test_the_leader_of_failover_can_be_killed_together_with_an_instance(fire: Fire) -> None:
    async with fire.cut("leader and instance killed") as cut:
        leader, owner = await fire.stand.leader(), await fire.busiest()
        left = (await fire.owned())[owner.name]
        cut.started()
        await leader.kill()
        await owner.kill("both")
        await cut.moved(left, owner)
        assert await fire.stand.leader() is not leader


async def test_a_gateway_can_be_killed(fire: Fire) -> None:
    async with fire.cut("gateway killed") as cut:
        before = await fire.epochs()
        cut.started()
        await fire.stand.gateways[0].kill()
        await cut.recovered()
        assert await fire.epochs() == before


async def test_without_valkey_everything_goes_on_a_little_slower(fire: Fire) -> None:
    valkey = fire.stand.valkey
    assert valkey is not None
    async with fire.cut("Valkey killed") as cut:
        before = await fire.epochs()
        cut.started()
        await valkey.kill()
        owner = await fire.busiest()
        left = (await fire.owned())[owner.name]
        await owner.kill("both")
        await cut.moved(left, owner)
        await valkey.restart()
        kept = {account: was for account, was in before.items() if was[0] != owner.name}
        assert kept.items() <= (await fire.epochs()).items()


@pytest.mark.on_mariadb
async def test_the_database_server_can_be_killed(fire: Fire) -> None:
    server = fire.stand.database_server
    assert server is not None
    async with fire.cut("database killed") as cut:
        before = await fire.epochs()
        cut.started()
        await server.kill()
        await server.restart()
        await cut.recovered()
        assert await fire.epochs() == before, "a short outage changes no owner"
