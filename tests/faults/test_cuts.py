"""Kill -9 at every step of a message's way. Nothing may be lost or doubled, counted by serials in the bodies."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.faults.stand import Stand, stand
from tests.support.network import alive
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow]

INBOUND = ["ingest.before_store", "ingest.stored_before_ack", "engine.message.before_dispatch"]
INBOUND += ["engine.message.after_stored_before_confirm"]
OUTBOUND = ["outbox.claimed", "outbox.sent_before_record", "engine.send.before_socket", "engine.send.after_ack"]


async def ready(built: Stand) -> None:
    """Link and exchange one message each way without any fault, then stop."""
    await built.child.start()
    await built.link()
    await built.customer_writes()
    await built.we_write()
    await built.all_is_well()
    await built.child.stop()


async def engine_died(built: Stand, name: str) -> None:
    """Wait until a failpoint has killed the engine host, and disarm it by starting everything anew."""
    await built.child.reached(name)
    await eventually(lambda: not alive(built.child.engine_pid), what="the engine host is killed")
    await built.child.kill()


@pytest.mark.parametrize("point", INBOUND)
async def test_an_inbound_message_survives_a_kill_at(point: str, tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await ready(built)
        await built.child.start(failpoints=f"{point}=kill")
        await built.connected()
        await built.customer_writes(3)
        if point.startswith("engine."):
            await engine_died(built, point)
        else:
            await built.child.reached(point)
            await built.child.died()
        await built.customer_writes(2)
        await built.child.start()
        await built.connected()
        await built.all_is_well()


@pytest.mark.parametrize("point", OUTBOUND)
async def test_an_outbound_message_survives_a_kill_at(point: str, tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await ready(built)
        await built.child.start(failpoints=f"{point}=kill")
        await built.connected()
        await built.we_write(3)
        if point.startswith("engine."):
            await engine_died(built, point)
        else:
            await built.child.reached(point)
            await built.child.died()
        await built.child.start()
        await built.connected()
        await built.forget_refused()
        await built.all_is_well()


async def test_a_file_survives_a_kill_behind_its_upload(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await ready(built)
        await built.child.start(failpoints="outbox.payload_stored=kill")
        await built.connected()
        await built.we_send_files(2)
        await built.child.reached("outbox.payload_stored")
        await built.child.died()
        await built.child.start()
        await built.connected()
        await built.forget_refused()
        await built.all_is_well()


async def test_the_engine_killed_alone_is_started_again(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await ready(built)
        await built.child.start()
        await built.connected()
        before = built.child.engine_pid
        os.kill(before, signal.SIGKILL)
        await built.customer_writes(3)
        await built.we_write(3)
        await eventually(lambda: _other_engine(built, before), what="a new engine host")
        await built.connected()
        await built.all_is_well()


async def _other_engine(built: Stand, before: int) -> bool:
    return await built.child.ask("engine_pid") not in (0, before)


async def test_python_killed_alone_takes_its_engine_with_it(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await ready(built)
        await built.child.start()
        await built.connected()
        await built.customer_writes(2)
        await built.we_write(2)
        await built.child.kill()
        await built.customer_writes(2)
        await built.child.start()
        await built.connected()
        await built.all_is_well()


async def test_everything_killed_comes_back_linked(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await ready(built)
        for _ in range(3):
            await built.child.start()
            await built.connected()
            writing = asyncio.create_task(built.customer_writes(5))
            await built.we_write(5)
            await built.child.kill_everything()
            await writing
        await built.child.start()
        await built.connected()
        await built.forget_refused()
        await built.all_is_well()


async def test_a_linking_cut_in_the_middle_can_be_finished(tmp_path: Path) -> None:
    async with stand(tmp_path) as built:
        await built.child.start(failpoints="engine.pair.after_success=kill")
        linking = asyncio.create_task(built.link())
        await built.child.reached("engine.pair.after_success")
        await built.child.kill_everything()
        await asyncio.gather(linking, return_exceptions=True)
        await built.child.start()
        await built.finish_linking()
        await built.customer_writes()
        await built.we_write()
        await built.all_is_well()
