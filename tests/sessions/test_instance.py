"""The instance as a whole: its lease, its engine host, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from pathlib import Path

import pytest
from sqlalchemy import select

from blazz.cluster import service as cluster
from blazz.cluster.tables import instances
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.sessions.engine_lock import take_engine_lock
from blazz.sessions.quarantine import Quarantine
from tests.support.network import alive, simulated_network
from tests.support.product import Blazz, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_an_instance_whose_name_is_taken_falls_silent(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        engine = blazz.engine_pid

        def usurp(tx: Tx) -> None:
            cluster.register(tx, cluster.Member(blazz.settings.instance_id, 1, "2"))

        await blazz.database.write(Platform("test"), usurp)
        await eventually(lambda: not alive(engine), within_s=8, what="the engine host is ended")
        with pytest.raises(BlazzError, match="engine_unavailable"):
            await blazz.connect(number.account_id)


async def test_an_engine_that_outlives_its_parent_holds_the_next_one_back(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        blazz = Blazz(tmp_path / "blazz", network, lease_s=2.0, renew_s=0.5)
        await blazz.start()
        engine = blazz.engine_pid
        lock = blazz.settings.engine_lock_path
        with pytest.raises(BlazzError, match="previous_engine_alive"):
            await take_engine_lock(lock, timeout_s=0.3)
        await blazz.stop()
        assert not alive(engine)
        os.close(await take_engine_lock(lock, timeout_s=0.3))


async def test_stopping_says_goodbye_in_the_database(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        blazz = Blazz(tmp_path / "blazz", network)
        await blazz.start()
        await blazz.link()
        await blazz.stop()
        assert network.stats().online == 0
        await blazz.start()
        generation = await blazz.database.read(Platform("test"), lambda tx: tx.scalar(select(instances.c.generation)))
        assert generation == 2
        await blazz.stop()


async def other_engine(blazz: Blazz, before: int) -> None:
    """Wait until another engine host runs."""
    await eventually(lambda: blazz.instance.supervisor.keeper.pid not in (None, before))


async def test_an_engine_that_dies_again_and_again_is_started_with_growing_pauses(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        for _ in range(2):
            before = blazz.engine_pid
            os.kill(before, signal.SIGKILL)
            await blazz.status(number.account_id, "disconnected")
            await other_engine(blazz, before)
            await blazz.status(number.account_id, "connected")
        assert blazz.instance.supervisor.keeper.restarts == 2


def test_quarantine_counts_within_ten_minutes() -> None:
    now = [0.0]
    quarantine = Quarantine(lambda: now[0])
    assert quarantine.implicated(["a", "b"]) == set()
    now[0] = 599.0
    assert quarantine.implicated(["a"]) == {"a"}
    now[0] = 700.0
    assert quarantine.implicated(["a", "b"]) == set()


async def test_one_thing_at_a_time_is_done_to_a_session_however_many_wait(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        supervisor, account_id = blazz.instance.supervisor, uuid.UUID(int=1)
        inside = most = 0

        async def act() -> None:
            nonlocal inside, most
            async with supervisor.lock(account_id):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        async def again_and_again() -> None:
            for _ in range(20):
                await act()

        await asyncio.gather(*(again_and_again() for _ in range(4)))
        assert most == 1
