"""The long run (`make prove`): random cuts of everything while thousands of messages go each way."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from tests.cluster.faults.fire import LEASE_S, Fire, Going
from tests.support.cluster import Role

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.database, pytest.mark.prove]
pytestmark += [pytest.mark.timeout(3600)]
MESSAGES = int(os.environ.get("BLAZZ_PROVE_MESSAGES", "5000"))
"""In each direction, at least."""
PER_SECOND = 40.0
CUSTOMERS = 3  # of each number
_QUIET_S = (0.5, 4.0)  # between two cuts


async def _instance(fire: Fire, cut: Going, end: Callable[[Role], Awaitable[None]]) -> None:
    role = random.choice([one for one in fire.stand.instances if one.running])
    left = (await fire.owned()).get(role.name, [])
    cut.started()
    await end(role)
    await cut.recovered(left)
    if not role.running:
        await role.start()


async def kill_instance(fire: Fire, cut: Going) -> None:
    """Both processes of one, nobody says so."""
    await _instance(fire, cut, lambda role: role.kill("both"))


async def kill_python(fire: Fire, cut: Going) -> None:
    """Its engine host has to notice."""
    await _instance(fire, cut, lambda role: role.kill("python"))


async def kill_engine(fire: Fire, cut: Going) -> None:
    """Python starts another one."""
    await _instance(fire, cut, lambda role: role.kill("engine"))


async def release_instance(fire: Fire, cut: Going) -> None:
    """Both processes, and somebody who has reaped them says so."""

    async def end(role: Role) -> None:
        await role.kill("both")
        await fire.stand.release(role)

    await _instance(fire, cut, end)


async def freeze_instance(fire: Fire, cut: Going) -> None:
    """It stands still for two leases."""

    async def end(role: Role) -> None:
        role.freeze("both")
        try:
            await asyncio.sleep(2 * LEASE_S)
        finally:
            role.thaw("both")

    await _instance(fire, cut, end)


async def kill_leader(fire: Fire, cut: Going) -> None:
    """Together with an instance, so that it is missed."""
    leader = await fire.stand.leader()
    await leader.kill()
    await kill_instance(fire, cut)
    await leader.start()


async def kill_gateway(fire: Fire, cut: Going) -> None:
    """Requests go to the other one."""
    gateway = random.choice(fire.stand.gateways)
    await gateway.kill()
    await cut.flow(10)
    await gateway.start()


async def kill_valkey(fire: Fire, cut: Going) -> None:
    """It comes back empty."""
    valkey = fire.stand.valkey
    assert valkey is not None
    await valkey.kill()
    await cut.flow(10)
    await valkey.restart()


async def kill_database(fire: Fire, cut: Going) -> None:
    """It recovers what was committed."""
    server = fire.stand.database_server
    assert server is not None
    cut.started()
    await server.kill()
    await server.restart()
    await cut.recovered(within_s=90)


CUTS = (
    kill_instance,
    kill_python,
    kill_engine,
    release_instance,
    freeze_instance,
    kill_leader,
    kill_gateway,
    kill_valkey,
    kill_database,
)


async def test_random_cuts_under_traffic_lose_nothing_and_double_nothing(fire: Fire) -> None:
    seed = random.randrange(2**32)
    random.seed(seed)
    done: Counter[str] = Counter()
    async with fire.cut("random cuts", per_second=PER_SECOND, customers=CUSTOMERS) as cut:
        traffic = fire.stand.traffic
        while min(sum(map(len, way.values())) for way in (traffic.inbound, traffic.outbound)) < MESSAGES:
            chosen = random.choice(CUTS)
            done[chosen.__name__] += 1
            before = fire.stand.network.stats()
            await chosen(fire, cut)
            after = fire.stand.network.stats()
            failures = after.decrypt_failures - before.decrypt_failures
            retries = after.retry_requests - before.retry_requests
            print(f"cut {done.total()}: {chosen.__name__}, {failures} undecrypted, {retries} retried", flush=True)
            await asyncio.sleep(random.uniform(*_QUIET_S))
    print(f"seed {seed}: {dict(done)}")
    assert done
