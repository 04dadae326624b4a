"""`blazz up --instances 2`: one command, every role in its own process, and nothing is left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from benchmarks.stand import process_family
from tests.processes.up import Up
from tests.support.network import alive, simulated_network

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_numbers_live_through_the_deaths_of_everybody(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        phone = (await network.create_phone(name="Shop")).number
        customer = (await network.create_phone(name="Budi")).number
        up = Up(tmp_path, network, "--instances", "2", "--gateways", "2")
        try:
            await up.start()
            assert sorted(up.child.ready["roles"]) == [
                *("gateway-0", "gateway-1", "instance-0", "instance-1", "worker-0")
            ]
            account = await up.link(phone)
            await up.converses(account, phone, customer, "first")

            # the instance that serves the number dies, and so does a gateway: another one has it, at the same address
            owner = await up.serving()
            gone = up.role(owner)
            os.kill(gone["pid"], signal.SIGKILL)
            os.kill(up.role("gateway-0")["pid"], signal.SIGKILL)
            await up.told(f"name={owner} recorded=True")
            assert not alive(gone["engine_pid"])
            await up.connected(account, phone)
            await up.converses(account, phone, customer, "elsewhere")
            for name in (owner, "gateway-0"):  # started again by their parent
                await up.told(f"a role is ready                name={name}", times=2)

            # the parent dies and is started again at once: what it left behind ends, and everything is there again
            assert up.child.process is not None
            family = process_family(up.child.process.pid)
            assert sum("engine" in member.name() for member in family) == 2
            os.kill(up.child.process.pid, signal.SIGKILL)
            await up.child.process.wait()
            await up.start()
            _, left = psutil.wait_procs(family, timeout=30)
            assert left == []
            await up.connected(account, phone)
            await up.converses(account, phone, customer, "again")
            family = process_family(up.child.process.pid)
            up.child.process.send_signal(signal.SIGINT)
            assert await up.child.process.wait() == 0
            _, left = psutil.wait_procs(family, timeout=5)
            assert left == []
            assert network.stats().stanzas_from_older_connection == 0
        except BaseException as error:
            error.add_note(up.log()[-8000:])
            raise
        finally:
            await up.child.stop(signal.SIGKILL)
