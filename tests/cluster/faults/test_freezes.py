"""Processes that stand still for a while and go on as if nothing had happened: they have lost their right to speak."""

from __future__ import annotations

import asyncio

import pytest

from tests.cluster.faults.fire import LEASE_S, Fire
from tests.support.cluster import What
from tests.support.network import alive
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]


@pytest.mark.parametrize("what", ["both", pytest.param("python", marks=pytest.mark.prove)])
async def test_a_frozen_instance_that_thaws_says_nothing_more_for_what_it_has_lost(fire: Fire, what: What) -> None:
    async with fire.cut(f"frozen: {what}") as cut:
        owner = await fire.busiest()
        left, engine = (await fire.owned())[owner.name], owner.find_engine()
        rejoined = await fire.events_named("instance.rejoined")
        assert engine is not None
        cut.started()
        owner.freeze(what)
        passed = await cut.moved(left, owner)
        await asyncio.sleep(max(0.0, 2 * LEASE_S - passed))
        owner.thaw(what)
        await eventually(lambda: not alive(engine), what="the engine host ends at its deadline")

        async def back() -> bool:
            again = (await fire.stand.members())[owner.name].state == "healthy"
            return again and owner.find_engine() not in (None, engine)

        await eventually(back, within_s=60, what="the instance is back, with another engine host")
        assert await fire.events_named("instance.rejoined") > rejoined
        assert owner.running
        assert owner.name not in await fire.owned(), "nothing comes back by itself"


async def test_an_engine_host_that_stands_still_is_replaced_under_the_same_epochs(fire: Fire) -> None:
    async with fire.cut("frozen: engine host") as cut:
        owner = await fire.busiest()
        before, engine = await fire.epochs(), owner.find_engine()
        assert engine is not None
        cut.started()
        owner.freeze("engine")
        try:
            await eventually(lambda: not alive(engine), within_s=3 * LEASE_S, what="the engine host is given up")
        finally:
            owner.thaw("engine")
        await cut.recovered()
        assert await fire.epochs() == before
