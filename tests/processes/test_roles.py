"""Gateways, instances and a worker as separate processes: numbers are linked, messages flow, an instance may die."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cluster import cluster_stand

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.database]


async def test_numbers_of_a_killed_instance_are_served_by_another(tmp_path: Path) -> None:
    async with cluster_stand(tmp_path, gateways=2) as stand:
        number = await stand.link()
        customer = await stand.customer()
        await stand.traffic.customer_writes(customer, number, 5)
        await stand.traffic.we_write(number, customer, 5)
        (await stand.traffic.complete()).expect_nothing_lost()
        owner = await stand.owner_of(number)
        await owner.kill("both")
        await stand.traffic.customer_writes(customer, number, 5)
        await stand.traffic.we_write(number, customer, 5)
        await stand.moved(number, owner)
        (await stand.traffic.complete()).expect_nothing_lost()
