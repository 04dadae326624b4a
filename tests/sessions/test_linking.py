"""Linking a number: by QR and by code, the life of its status, one number once in a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from blazz.accounts import service as accounts
from blazz.kit.errors import BlazzError
from tests.support.network import simulated_network
from tests.support.product import Blazz, running
from tests.support.waiting import eventually
from whatsim.model import FaultSpec

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_a_number_links_by_qr_and_its_status_tells_each_step(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        phone = await network.create_phone(name="Shop")
        number = await blazz.link(phone.number)
        row = await blazz.account(number.account_id)
        assert row["phone"] == f"+{phone.number}"
        assert row["is_primary"]
        assert row["status_expires_at"] is not None
        names = [event["name"] for event in await blazz.events()]
        assert names.index("session.qr") < names.index("session.authenticated") < names.index("session.connected")
        assert all("code" not in event["data"] for event in await blazz.events("session.qr"))
        assert await blazz.instance.commands.qr(number.account_id) is None


async def test_a_number_links_by_an_eight_character_code(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        phone = await network.create_phone(name="Shop")
        account_id = await blazz.add_account()
        await blazz.connect(account_id, use_qr=False)
        code = await blazz.instance.commands.pairing_code(account_id, f"+{phone.number}")
        assert len(code.code) == 9
        await network.link_code(phone.number, code.code)
        await blazz.status(account_id, "connected")
        assert not await blazz.events("session.qr")


async def test_connecting_again_before_the_scan_begins_a_new_cycle_of_codes(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        account_id = await blazz.add_account()
        await blazz.connect(account_id)
        first = await eventually(lambda: blazz.instance.commands.qr(account_id))
        await blazz.connect(account_id)
        second = await eventually(lambda: blazz.instance.commands.qr(account_id))
        assert first is not None
        assert second is not None
        assert second.number == 1
        assert second.code != first.code


async def test_the_newer_of_two_entries_with_one_number_wins(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        older = await blazz.link()
        newer = await blazz.link(older.phone)
        row = await blazz.status(older.account_id, "failed")
        assert row["phone"] is None
        assert row["disconnect_reason"] == "replaced"
        await eventually(lambda: len(network.get_phone(newer.phone).devices) == 1)
        assert (await blazz.account(newer.account_id))["status"] == "connected"


async def test_a_number_that_is_logged_out_here_is_gone_from_the_phone(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        await blazz.instance.commands.log_out(number.account_id)
        await blazz.status(number.account_id, "logged_out")
        await eventually(lambda: not network.get_phone(number.phone).devices)
        again = await blazz.link(number.phone, number.account_id)
        assert again.account_id == number.account_id


async def test_a_disconnected_number_keeps_its_pairing(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        await blazz.instance.commands.disconnect(number.account_id)
        row = await blazz.status(number.account_id, "disconnected")
        assert row["disconnect_reason"] == "user_initiated"
        await blazz.connect(number.account_id)
        await blazz.status(number.account_id, "connected")
        assert len(await blazz.events("session.qr")) == 1


async def test_a_number_that_was_disconnected_is_removed_from_the_phone_too(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        blazz = Blazz(tmp_path / "blazz", network)
        await blazz.start()
        number = await blazz.link()
        await blazz.database.write(blazz.scope, accounts.want_disconnected, number.account_id)
        await blazz.instance.commands.disconnect(number.account_id)
        await blazz.stop()
        await blazz.start()
        await blazz.instance.commands.log_out(number.account_id)
        await blazz.status(number.account_id, "logged_out")
        await eventually(lambda: not network.get_phone(number.phone).devices)
        await blazz.stop()


async def test_a_device_that_was_removed_on_the_phone_meanwhile_needs_no_removal(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        await blazz.instance.commands.disconnect(number.account_id)
        (device,) = network.get_phone(number.phone).devices
        await network.unlink(number.phone, device.id)
        await blazz.instance.commands.log_out(number.account_id)
        row = await blazz.status(number.account_id, "logged_out")
        assert row["jid"] is None
        again = await blazz.link(number.phone, number.account_id)
        assert again.account_id == number.account_id


async def test_a_pairing_that_whatsapp_could_not_be_told_about_does_not_come_back(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        await blazz.instance.commands.disconnect(number.account_id)
        network.add_fault(FaultSpec("refuse_login", number=number.phone, code="503"))
        with pytest.raises(BlazzError, match="remove the device on the phone too"):
            await blazz.instance.commands.log_out(number.account_id)
        await blazz.status(number.account_id, "logged_out")
        network.clear_faults()
        await blazz.connect(number.account_id)
        await eventually(lambda: blazz.instance.commands.qr(number.account_id), what="a code, not the old pairing")
        (directory,) = blazz.settings.sessions_dir.glob("workspace_*/session_*")
        assert list(directory.glob("removed.*.db"))
