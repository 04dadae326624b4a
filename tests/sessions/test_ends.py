"""How a connection may end, and what the number's status says then."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from blazz.cluster.tables import assignments
from blazz.sessions import reports
from blazz.sessions.storage import verdicts
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, text
from tests.support.waiting import eventually
from whatsim.model import FaultSpec
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def wanted(blazz: Blazz, number: Number) -> str:
    """Return whether the session is wanted running."""
    (row,) = await blazz.rows(assignments, assignments.c.id == number.account_id)
    return str(row["wanted"])


async def test_a_number_unlinked_on_the_phone_is_logged_out_at_once_and_keeps_its_history(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone()).number
        await network.send_message(customer, number.phone, text("kept"))
        await eventually(lambda: blazz.bodies(from_me=False))
        (device,) = network.get_phone(number.phone).devices
        await network.unlink(number.phone, device.id)
        row = await blazz.status(number.account_id, "logged_out", within_s=5)
        assert row["disconnect_reason"] == "logged_out_on_phone"
        assert await wanted(blazz, number) == "stopped"
        assert await blazz.bodies(from_me=False) == ["kept"]
        await blazz.link(number.phone, number.account_id)


async def test_a_number_unlinked_while_we_were_away_is_logged_out_at_the_next_start(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        blazz = Blazz(tmp_path / "blazz", network)
        await blazz.start()
        number = await blazz.link()
        await blazz.stop()
        (device,) = network.get_phone(number.phone).devices
        await network.unlink(number.phone, device.id)
        await blazz.start()
        await blazz.status(number.account_id, "logged_out")
        await blazz.stop()


async def test_a_number_unlinked_while_it_was_disconnected_says_so_when_it_is_connected(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        await blazz.commands.disconnect(number.account_id)
        customer = (await network.create_phone()).number
        waiting = await blazz.send_text(number, customer, "later")
        (device,) = network.get_phone(number.phone).devices
        await network.unlink(number.phone, device.id)
        await blazz.connect(number.account_id)
        row = await blazz.status(number.account_id, "logged_out")
        assert row["disconnect_reason"] == "logged_out_on_phone"
        assert row["jid"] is None
        await blazz.link(number.phone, number.account_id)
        await blazz.state(waiting, "delivered")


async def test_a_replaced_connection_is_tried_again_once_and_then_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_RETRY_REPLACED_S", 0.5)
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        network.add_fault(FaultSpec("stream_error", number=number.phone, code="replaced"))
        row = await blazz.status(number.account_id, "disconnected")
        assert row["disconnect_reason"] == "replaced"
        await blazz.status(number.account_id, "connected")
        network.add_fault(FaultSpec("stream_error", number=number.phone, code="replaced"))
        await blazz.status(number.account_id, "disconnected")
        logins = network.stats().logins
        await asyncio.sleep(2)  # longer than the pause before a retry: nothing may happen
        assert network.stats().logins == logins
        assert (await blazz.account(number.account_id))["status"] == "disconnected"
        await blazz.connect(number.account_id)
        await blazz.status(number.account_id, "connected")


@pytest.mark.parametrize("code", ["503", "515"])
async def test_a_connection_closed_by_a_stream_error_comes_back(code: str, tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        logins = network.stats().logins
        network.add_fault(FaultSpec("stream_error", number=number.phone, code=code))
        await eventually(lambda: network.stats().logins > logins)
        await blazz.status(number.account_id, "connected")


async def test_a_cut_connection_is_told_and_comes_back(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        network.add_fault(FaultSpec("drop_connection", number=number.phone))
        await eventually(lambda: _was(blazz, "session.disconnected"))
        await blazz.status(number.account_id, "connected")
        (event,) = await blazz.events("session.disconnected")
        assert event["data"]["reason"] in ("error", "timeout")


async def _was(blazz: Blazz, name: str) -> bool:
    return bool(await blazz.events(name))


async def refused_login(network: Network, blazz: Blazz, code: str, status: str) -> Number:
    """Have the next logins refused with `code` and wait for the status that follows."""
    number = await blazz.link()
    network.add_fault(FaultSpec("refuse_login", number=number.phone, code=code))
    network.add_fault(FaultSpec("drop_connection", number=number.phone))
    await blazz.status(number.account_id, status)
    return number


@pytest.mark.parametrize("code", ["401", "403"])
async def test_a_login_refused_for_good_logs_the_number_out(code: str, tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await refused_login(network, blazz, code, "logged_out")
        assert await wanted(blazz, number) == "stopped"


async def test_a_login_refused_for_now_is_tried_again(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await refused_login(network, blazz, "503", "disconnected")
        assert await wanted(blazz, number) == "running"
        network.clear_faults()
        await blazz.status(number.account_id, "connected", within_s=30)


@pytest.mark.slow
async def test_a_silent_connection_is_noticed_within_a_minute(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        network.add_fault(FaultSpec("silence", number=number.phone))
        row = await blazz.status(number.account_id, "disconnected", within_s=60)
        assert row["disconnect_reason"] == "timeout"
        network.clear_faults()
        await blazz.status(number.account_id, "connected", within_s=40)


async def test_a_status_that_nobody_renews_expires(tmp_path: Path) -> None:
    async with (
        simulated_network(tmp_path / "network") as network,
        running(tmp_path / "blazz", network, status_claim_s=1.5) as blazz,
    ):
        number = await blazz.link()
        first = (await blazz.account(number.account_id))["status_expires_at"]

        async def renewed() -> bool:
            return bool((await blazz.account(number.account_id))["status_expires_at"] > first)

        await eventually(renewed, what="the claim is renewed")


async def test_a_missing_store_fails_its_number_and_comes_back_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_MISSING_S", 0.5)
    async with simulated_network(tmp_path / "network") as network:
        blazz = Blazz(tmp_path / "blazz", network)
        await blazz.start()
        lost, other = await blazz.link(), await blazz.link()
        await blazz.stop()
        (directory,) = (tmp_path / "blazz" / "sessions").glob(f"*/session_{lost.account_id}")
        aside = directory.rename(tmp_path / "aside")
        await blazz.start()
        row = await blazz.status(lost.account_id, "failed")
        assert "not there" in row["status_detail"]
        assert row["jid"], "nobody has unlinked it"
        await blazz.status(other.account_id, "connected")
        assert await wanted(blazz, lost) == "running"
        # the share is mounted again: nobody has to do anything
        shutil.rmtree(directory, ignore_errors=True)
        aside.rename(directory)
        await blazz.status(lost.account_id, "connected")
        await blazz.stop()
