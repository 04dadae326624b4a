"""A gateway in front of a real instance: every command over the internal port, down to the phone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from blazz.cluster.internal_client import InternalClient
from blazz.cluster.remote import RemoteCommands
from blazz.cluster.routing import OwnerDirectory
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from tests.support.internal import KEYS
from tests.support.network import simulated_network
from tests.support.product import Blazz
from tests.support.waiting import eventually
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@contextlib.asynccontextmanager
async def behind_a_gateway(directory: Path, network: Network) -> AsyncIterator[Blazz]:
    """An instance whose commands come over HTTP."""
    blazz = Blazz(directory, network)
    blazz.internal_keys = KEYS
    async with contextlib.AsyncExitStack() as parts:
        await blazz.start()
        parts.push_async_callback(blazz.stop)
        owners, client = OwnerDirectory(blazz.database), InternalClient(KEYS)
        await owners.start()
        parts.push_async_callback(owners.stop)
        parts.push_async_callback(client.close)
        blazz.commands = RemoteCommands(owners, client)
        yield blazz


async def test_a_number_lives_its_life_through_another_process_s_gateway(tmp_path: Path) -> None:
    async with (
        simulated_network(tmp_path / "network") as network,
        behind_a_gateway(tmp_path / "blazz", network) as blazz,
    ):
        customer = await network.create_phone(name="Customer")
        number = await blazz.link()
        address = f"{customer.number}@s.whatsapp.net"
        (found,) = await blazz.commands.on_whatsapp(number.account_id, [f"+{customer.number}"])
        assert (found.phone, found.registered) == (f"+{customer.number}", True)
        await blazz.commands.typing(number.account_id, address, "composing")
        await blazz.commands.mark_read(number.account_id, address, "", ["3EB0AAAA"], utc_now())
        async with httpx.AsyncClient(trust_env=False) as http:
            health = (await http.get(f"{blazz.instance.internal_url}/health")).json()
        assert (health["status"], health["sessions"]["total"], health["engine"]) == ("healthy", 1, "up")
        await blazz.commands.disconnect(number.account_id)
        await blazz.status(number.account_id, "disconnected")
        with pytest.raises(BlazzError, match="not running here"):
            await blazz.commands.on_whatsapp(number.account_id, [f"+{customer.number}"])
        await blazz.connect(number.account_id)
        await blazz.status(number.account_id, "connected")
        await blazz.commands.log_out(number.account_id)
        await blazz.status(number.account_id, "logged_out")


async def test_a_code_is_asked_for_and_a_stopped_instance_takes_no_more(tmp_path: Path) -> None:
    async with (
        simulated_network(tmp_path / "network") as network,
        behind_a_gateway(tmp_path / "blazz", network) as blazz,
    ):
        phone = await network.create_phone(name="Shop")
        account_id = await blazz.add_account()
        await blazz.connect(account_id, use_qr=False)
        code = await blazz.commands.pairing_code(account_id, f"+{phone.number}")
        await network.link_code(phone.number, code.code)
        await blazz.status(account_id, "connected")
        stopping = asyncio.create_task(blazz.instance.stop())

        async def refused() -> str:
            try:
                await blazz.commands.on_whatsapp(account_id, [f"+{phone.number}"])
            except BlazzError as error:
                return error.code if error.code == "owner_unreachable" else ""
            return ""

        await eventually(refused)
        await stopping
        with pytest.raises(BlazzError, match="has stopped; the number moves"):
            await blazz.commands.connect(account_id)
