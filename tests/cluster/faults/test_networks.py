"""One instance on a machine of its own (a network namespace) whose cables are pulled: nothing answers any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy import make_url

from tests.cluster.faults.fire import LEASE_S, Fire
from tests.support.cluster import Number, Role
from tests.support.cluster.forwarder import forwarder
from tests.support.cluster.namespace import Namespace, namespace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, pytest.mark.database]
pytestmark += [pytest.mark.fire, pytest.mark.timeout(300)]
WHATSAPP, DATABASE, OTHERS = "whatsapp", "database", "others"


@dataclass
class Remote:
    """The instance on the machine of its own, and the numbers that were moved to it."""

    fire: Fire
    role: Role
    cables: Namespace
    numbers: list[Number]


@contextlib.asynccontextmanager
async def remote_instance(fire: Fire) -> AsyncIterator[Remote]:
    """Add an instance in a namespace, with two numbers; at the end its numbers go to the others and it goes."""
    stand = fire.stand
    server = stand.database_server
    assert server is not None
    url = make_url(server.url)
    in_directory = url.query.get("host")
    socket_path = f"{in_directory}/.s.PGSQL.5432" if in_directory else str(url.query["unix_socket"])
    with namespace(WHATSAPP, DATABASE, OTHERS) as cables:
        async with forwarder(cables.here(DATABASE), socket_path) as port:
            await fire.heal()
            there = url.set(host=cables.here(DATABASE), port=port, query={}).render_as_string(hide_password=False)
            role = stand.add_role(
                "instance",
                network_address=await stand.network.listen_also(cables.here(WHATSAPP)),
                database_url=there,
                internal_host=cables.there(OTHERS),
            )
            role.prefix = cables.prefix
            try:
                await role.start()
                numbers = fire.numbers[:2]
                await fire.bring(numbers, role)
                yield Remote(fire, role, cables, numbers)
            finally:
                cables.plug()
                await role.stop(drain=True)
                del stand.roles[role.name]


@pytest.mark.parametrize(
    "cables",
    [
        pytest.param((DATABASE,), id="database", marks=pytest.mark.prove),
        pytest.param((DATABASE, WHATSAPP, OTHERS), id="everything"),
    ],
)
async def test_an_instance_that_is_cut_from_the_database_falls_silent_and_others_go_on(
    fire: Fire, cables: tuple[str, ...]
) -> None:
    async with remote_instance(fire) as remote:
        role, engine = remote.role, remote.role.find_engine()
        async with fire.cut(f"cables pulled: {', '.join(cables)}") as cut:
            if WHATSAPP in cables:
                fire.witness.cut_off.add(role.name)
            cut.started()
            remote.cables.pull(*cables)
            await cut.moved(remote.numbers, role)
            await eventually(lambda: role.find_engine() != engine, what="the engine host ended at its deadline")
            remote.cables.plug(*cables)
            fire.witness.cut_off.discard(role.name)

            async def back() -> bool:
                return (await fire.stand.members())[role.name].state == "healthy" and role.find_engine() is not None

            await eventually(back, within_s=60, every_s=0.2, what="the instance is back")
            assert role.running
            assert role.name not in await fire.owned()


@pytest.mark.prove
async def test_an_instance_that_is_cut_from_whatsapp_keeps_its_numbers(fire: Fire) -> None:
    async with remote_instance(fire) as remote:
        async with fire.cut("cables pulled: whatsapp") as cut:
            before = await fire.epochs()
            fire.witness.cut_off.add(remote.role.name)
            remote.cables.pull(WHATSAPP)
            await asyncio.sleep(2 * LEASE_S)
            remote.cables.plug(WHATSAPP)
            cut.started()
            await cut.recovered(within_s=120)
            assert await fire.epochs() == before
        fire.witness.cut_off.discard(remote.role.name)


@pytest.mark.prove
async def test_an_instance_that_gateways_cannot_reach_keeps_its_numbers_and_sends(fire: Fire) -> None:
    async with remote_instance(fire) as remote, fire.cut("cables pulled: others"):
        before, number = await fire.epochs(), remote.numbers[0]
        remote.cables.pull(OTHERS)
        path = f"/accounts/{number.account_id}/qr"
        answer = await fire.stand.api.request("GET", path, headers=number.workspace.headers)
        assert answer.json()["code"] == "owner_unreachable"
        await asyncio.sleep(1.5 * LEASE_S)
        assert all(fire.stand.online(one) for one in fire.numbers)
        remote.cables.plug(OTHERS)
        assert await fire.epochs() == before, "a failed call is never proof"
