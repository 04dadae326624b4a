"""An instance's end as its operator causes it: systemd's release record, SIGTERM that moves the numbers away first."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from blazz.cluster import service as cluster
from blazz.kit.db import Platform
from tests.support.cluster import cluster_stand

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.database]


async def test_numbers_leave_an_instance_that_ends_without_waiting_for_its_lease(tmp_path: Path) -> None:
    # far longer than the test: whatever moves does not move because a lease ran out
    async with cluster_stand(tmp_path, lease_s=300) as stand:
        number = await stand.link()
        customer = await stand.customer()
        await stand.traffic.customer_writes(customer, number, 3)
        await stand.traffic.we_write(number, customer, 3)

        # while it runs there is nothing to record; when both processes are dead, the numbers move at once
        first = await stand.owner_of(number)
        with pytest.raises(AssertionError, match="is running"):
            await stand.release(first)
        await first.kill("both")
        await stand.traffic.customer_writes(customer, number, 3)
        await stand.traffic.we_write(number, customer, 3)
        await stand.release(first)
        await stand.moved(number, first, within_s=20)

        # SIGTERM: the present owner hands over, and then ends by itself
        await first.start()
        second = await stand.owner_of(number)
        async with httpx.AsyncClient(trust_env=False) as http:
            health = (await http.get(f"{second.ready['internal_url']}/health")).json()
        assert (health["status"], health["instance"], health["sessions"]["total"]) == ("healthy", second.name, 1)
        await stand.traffic.we_write(number, customer, 3)
        second.send_signal(signal.SIGTERM)
        await stand.moved(number, second, within_s=30)
        assert await second.ended() == 0
        await second.engine_gone()
        assert (await stand.members())[second.name].state == "stopped"
        assert (await stand.assignment(number)).previous_closed
        (await stand.traffic.complete()).expect_nothing_lost()
        assert stand.network.stats().replaced == 0


async def test_an_instance_whose_name_was_taken_ends_and_says_so(tmp_path: Path) -> None:
    async with cluster_stand(tmp_path, instances=1, lease_s=3, renew_s=0.5) as stand:
        number = await stand.link()
        (instance,) = stand.instances
        taken = cluster.Member(instance.name, 10, "1", host="elsewhere")
        await stand.database.write(Platform("test"), cluster.register, taken)
        assert await instance.ended() == 1
        await instance.engine_gone()
        assert (await stand.assignment(number)).epoch == 2
        assert (await stand.members())[instance.name].state == "healthy", "it has signed off nobody else"
