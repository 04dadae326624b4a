"""Failures that are no kills: panics, a database that is locked or refuses, content that cannot be stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from blazz.kit import failpoints
from blazz.kit.db import Tx
from blazz.messaging import inbound
from blazz.messaging.model import PreparedMessage, StoreResult
from blazz.messaging.tables import messages
from tests.faults.stand import stand
from tests.support.network import alive, simulated_network
from tests.support.product import Blazz, running, text
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow]


async def stored(blazz: Blazz, *bodies: str) -> bool:
    """Tell whether all `bodies` are stored."""
    return set(bodies) <= set(await blazz.bodies(from_me=False))


async def test_a_panic_in_the_engines_handler_loses_nothing_and_the_engine_lives(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await built.child.start()
        await built.link()
        await built.child.stop()
        await built.child.start(failpoints="engine.handler=panic")
        await built.connected()
        engine = built.child.engine_pid
        await built.customer_writes(2)
        await built.child.reached("engine.handler")
        assert alive(engine)
        assert not await built.child.ask("messages")
        await built.child.stop()
        await built.child.start()
        await built.connected()
        await built.all_is_well()


async def test_a_number_over_which_the_engine_dies_twice_is_kept_apart(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await built.child.start()
        await built.link()
        await built.child.stop()
        await built.child.start(failpoints="engine.library=error")
        await built.connected()
        await built.customer_writes()

        async def apart() -> bool:
            return bool((await built.child.ask("account", built.account_id))["status"] == "failed")

        await eventually(apart, within_s=60, what="the number is kept apart")
        # the action "error" at this place is a panic in a goroutine that is not ours
        await built.child.reached("engine.library")
        assert "kept apart" in (await built.child.ask("account", built.account_id))["status_detail"]
        await built.child.stop()
        await built.child.start()
        await built.child.ask("connect", built.account_id)
        await built.connected()
        await built.all_is_well()


async def test_a_locked_database_delays_messages_and_loses_none(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone()).number
        await network.send_message(customer, number.phone, text("before"))
        await eventually(lambda: stored(blazz, "before"))
        foreign = sqlite3.connect(blazz.settings.database_path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        for serial in range(3):
            await network.send_message(customer, number.phone, text(f"during {serial}"))
        await asyncio.sleep(8)  # longer than the lease: the engine host has to fall silent meanwhile
        assert not await stored(blazz, "during 0")
        foreign.execute("ROLLBACK")
        foreign.close()
        await eventually(lambda: stored(blazz, "during 2"), within_s=40)
        await blazz.status(number.account_id, "connected", within_s=30)
        assert await blazz.bodies(from_me=False) == ["before", "during 0", "during 1", "during 2"]


@pytest.mark.parametrize("point", ["ingest.before_store", "db.before_commit"])
async def test_a_disk_that_refuses_acknowledges_nothing(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    monkeypatch.setenv("BLAZZ_FAILPOINT_LOG", str(tmp_path / "reached"))
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone()).number
        failpoints.arm(point, "error")
        try:
            await network.send_message(customer, number.phone, text("survives"))
            await eventually(lambda: (tmp_path / "reached").exists())
            await eventually(lambda: blazz.instance.ingest.counters.refused > 0)
            assert not await stored(blazz, "survives")
        finally:
            failpoints.disarm(point)
        await eventually(lambda: stored(blazz, "survives"), within_s=30)
        await blazz.status(number.account_id, "connected")
        assert await blazz.bodies(from_me=False) == ["survives"]


async def test_content_that_cannot_be_stored_is_kept_raw_after_three_refusals_and_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = inbound.store_messages

    def picky(tx: Tx, batch: Sequence[PreparedMessage], seal: Any) -> StoreResult:
        for item in batch:
            if item.decoded is not None and item.decoded.body == "poison":
                raise ValueError("a defect that nobody foresaw")
        return store(tx, batch, seal)

    monkeypatch.setattr(inbound, "store_messages", picky)
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        sick, well = await blazz.link(), await blazz.link()
        customer = (await network.create_phone()).number
        await network.send_message(customer, sick.phone, text("poison"))
        await network.send_message(customer, sick.phone, text("after"))
        await network.send_message(customer, well.phone, text("elsewhere"))
        await eventually(lambda: stored(blazz, "elsewhere"), within_s=5)
        await eventually(lambda: stored(blazz, "after"), within_s=40)
        (kept,) = await eventually(lambda: blazz.messages(messages.c.kind == "unsupported"), within_s=40)
        assert kept["raw"]
        assert b"poison" in kept["raw"]
        assert kept["flags"]["unprocessable"]
        assert blazz.instance.ingest.counters.unprocessable == 1
        await blazz.status(sick.account_id, "connected")
