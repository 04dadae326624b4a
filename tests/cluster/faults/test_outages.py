"""What all depend on is away: the database for longer than the lease, the right time on one machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.cluster.faults.fire import LEASE_S, Fire, moves_of
from tests.support.cluster import Role
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]
HOUR_S = 3600


async def test_a_long_outage_of_the_database_disconnects_numbers_and_moves_none(fire: Fire) -> None:
    server, stand = fire.stand.database_server, fire.stand
    assert server is not None
    async with fire.cut("database away for 3 leases") as cut:
        before, moved = await fire.epochs(), await fire.scalar(moves_of(reason="failover"))
        given_up = await fire.events_named("instance.down")
        await server.kill()
        away = asyncio.get_running_loop().time()
        await eventually(
            lambda: not any(stand.online(number) for number in fire.numbers),
            within_s=2 * LEASE_S,
            what="without a lease nobody speaks",
        )
        await asyncio.sleep(max(0.0, away + 3 * LEASE_S - asyncio.get_running_loop().time()))
        await server.restart()
        cut.started()
        await cut.recovered()
        assert await fire.epochs() == before, "the owners carry on"
        assert await fire.scalar(moves_of(reason="failover")) == moved
        assert await fire.events_named("instance.down") == given_up


@pytest.mark.parametrize("offset_s", [HOUR_S, pytest.param(-HOUR_S, marks=pytest.mark.prove)])
async def test_a_clock_that_is_wrong_by_an_hour_moves_nothing_and_is_shown(
    fire: Fire, offset_s: int, tmp_path: Path
) -> None:
    stand, clock = fire.stand, tmp_path / "offset"
    clock.write_text("0")
    gateway, right = stand.gateways[0], stand.gateways[1]
    await fire.heal()
    await gateway.stop()
    await gateway.start(test_clock_offset_s=f"@{clock}")
    async with fire.cut(f"clock wrong by {offset_s // HOUR_S:+d} h"):
        before = await fire.epochs()
        number = fire.numbers[0]
        owner = await stand.owner_of(number)

        async def code(at: Role) -> str:
            """Ask the owner for something: a linked number has no QR code."""
            path = f"/accounts/{number.account_id}/qr"
            return str((await stand.api.request("GET", path, headers=number.workspace.headers, at=at)).json()["code"])

        assert await code(gateway) == "no_qr"
        clock.write_text(str(offset_s))
        assert await code(gateway) == "signature_expired"
        assert await code(right) == "no_qr"
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            health = (await client.get(f"{owner.ready['internal_url']}/health")).json()
        assert abs(health["clock_skew_s"] - offset_s) < 60
        clock.write_text("0")
        assert await code(gateway) == "no_qr"
        assert await fire.epochs() == before
        assert all(stand.online(number) for number in fire.numbers)
