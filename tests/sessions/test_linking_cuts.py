"""Linkings that are cut: what WhatsApp has accepted ends as linked, anything else is told and cleaned up."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster.commands import QrView
from blazz.cluster.tables import assignments
from blazz.sessions import commands
from blazz.sessions.transitions import judge
from tests.support.network import simulated_network
from tests.support.product import Blazz, running
from tests.support.waiting import eventually
from whatsim.model import FaultSpec, LinkRefused
from whatsim.network import Network
from whatsim.server import linking

pytestmark = [pytest.mark.anyio]


@pytest.fixture(scope="module")
async def built(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[tuple[Network, Blazz]]:
    directory = tmp_path_factory.mktemp("linking")
    async with simulated_network(directory / "network") as network, running(directory / "blazz", network) as blazz:
        yield network, blazz


@pytest.fixture
def network(built: tuple[Network, Blazz]) -> Network:
    return built[0]


@pytest.fixture
def blazz(built: tuple[Network, Blazz]) -> Blazz:
    return built[1]


@pytest.fixture
async def phone(network: Network) -> str:
    return (await network.create_phone()).number


async def shown(blazz: Blazz, account_id: uuid.UUID) -> QrView:
    """Connect an account that is not linked and return the code that it shows."""
    await blazz.connect(account_id)
    qr = await eventually(lambda: blazz.commands.qr(account_id), what="a QR code")
    assert qr is not None
    return qr


@pytest.mark.engine
async def test_a_linking_whose_confirmation_was_lost_ends_as_linked(blazz: Blazz, network: Network, phone: str) -> None:
    network.add_fault(FaultSpec("lose_pair_confirmation", number=phone, count=1))
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    device = await network.link_qr(phone, qr.code)
    await blazz.status(account_id, "connected")
    assert [(found.id, found.connected) for found in network.get_phone(phone).devices] == [(device.id, True)]


@pytest.mark.engine
async def test_a_linking_that_was_cut_before_we_heard_of_it_shows_a_new_code(
    blazz: Blazz, network: Network, phone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "RETURN_S", 0.1)
    network.add_fault(FaultSpec("lose_pair_success", number=phone, count=1))
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    with pytest.raises(LinkRefused):
        await network.link_qr(phone, qr.code)

    async def another() -> QrView | None:
        now = await blazz.commands.qr(account_id)
        return now if now is not None and now.code != qr.code else None

    again = await eventually(another, what="another code")
    assert again is not None
    await network.link_qr(phone, again.code)
    await blazz.status(account_id, "connected")


@pytest.mark.engine
async def test_a_typed_code_is_void_after_a_cut_and_the_number_says_so(
    blazz: Blazz, network: Network, phone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "RETURN_S", 0.1)
    network.add_fault(FaultSpec("lose_pair_success", number=phone, count=1))
    account_id = await blazz.add_account()
    await blazz.connect(account_id, use_qr=False)
    code = await blazz.commands.pairing_code(account_id, f"+{phone}")
    with pytest.raises(LinkRefused):
        await network.link_code(phone, code.code)

    async def told() -> bool:
        return "void" in ((await blazz.account(account_id))["status_detail"] or "")

    await eventually(told, what="the end of the code")
    assert (await blazz.account(account_id))["status"] == "disconnected"
    code = await blazz.commands.pairing_code(account_id, f"+{phone}")
    await network.link_code(phone, code.code)
    await blazz.status(account_id, "connected")


@pytest.mark.engine
async def test_a_first_login_that_is_refused_for_now_is_tried_again(blazz: Blazz, network: Network, phone: str) -> None:
    network.add_fault(FaultSpec("refuse_login", number=phone, code="503", count=1))
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    await network.link_qr(phone, qr.code)
    await blazz.status(account_id, "connected")


@pytest.mark.engine
async def test_a_slow_network_links_all_the_same(blazz: Blazz, network: Network, phone: str) -> None:
    delay = network.add_fault(FaultSpec("delay", seconds=0.4))
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    await network.link_qr(phone, qr.code)
    await blazz.status(account_id, "connected")
    network.clear_faults(delay.id)


@pytest.mark.engine
async def test_a_new_code_that_is_asked_for_while_the_phone_waits_ends_the_old_linking(
    blazz: Blazz, network: Network, phone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhatsApp's word that the phone has accepted us is on its way when the connection is closed."""
    monkeypatch.setattr(linking, "RETURN_S", 0.1)
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    delay = network.add_fault(FaultSpec("delay", seconds=5))
    scan = asyncio.create_task(network.link_qr(phone, qr.code))
    await eventually(lambda: network.list_faults()[0].hits > 0, what="the word is on its way")
    network.clear_faults(delay.id)
    again = await shown(blazz, account_id)
    with pytest.raises(LinkRefused):
        await scan
    assert not network.get_phone(phone).devices
    await network.link_qr(phone, again.code)
    await blazz.status(account_id, "connected")


@pytest.mark.engine
async def test_a_new_device_that_whatsapp_does_not_know_is_told_and_forgotten(
    blazz: Blazz, network: Network, phone: str
) -> None:
    network.add_fault(FaultSpec("refuse_login", number=phone, code="401", count=1))
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    (device,) = [await network.link_qr(phone, qr.code)]
    row = await blazz.status(account_id, "logged_out")
    assert "did not finish the linking" in row["status_detail"]
    assert row["jid"] is None
    await network.unlink(phone, device.id)
    await blazz.link(phone, account_id)


@pytest.mark.engine
async def test_a_number_that_is_connected_again_while_the_phone_accepts_it_is_linked(
    blazz: Blazz, network: Network, phone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks for a new code at the very moment of the scan: the phone's view and ours stay the same."""
    monkeypatch.setattr(linking, "RETURN_S", 0.5)
    account_id = await blazz.add_account()
    for _ in range(3):
        qr = await shown(blazz, account_id)
        scan = asyncio.create_task(network.link_qr(phone, qr.code))
        await asyncio.sleep(0)
        await blazz.connect(account_id)
        try:
            await scan
        except LinkRefused:
            assert not network.get_phone(phone).devices
            continue
        await blazz.status(account_id, "connected")
        return
    await blazz.link(phone, account_id)


@pytest.mark.engine
async def test_a_passkey_that_is_asked_for_is_given_up_with_the_connection(
    blazz: Blazz, network: Network, phone: str
) -> None:
    network.passkeys.require(phone)
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    with pytest.raises(LinkRefused, match="passkey"):
        await network.link_qr(phone, qr.code)
    await eventually(lambda: blazz.commands.passkey(account_id), what="a challenge")
    network.add_fault(FaultSpec("drop_connection"))

    async def told() -> bool:
        return "passkey" in ((await blazz.account(account_id))["disconnect_details"] or "")

    await eventually(told, what="the end of the ceremony")
    assert await blazz.commands.passkey(account_id) is None
    again = await shown(blazz, account_id)
    assert again.number == 1


@pytest.mark.engine
async def test_codes_that_nobody_uses_end_the_linking_and_the_wish(blazz: Blazz) -> None:
    """The engine host's report is made up: it comes after 160 seconds."""
    account_id = await blazz.add_account()
    await shown(blazz, account_id)
    supervisor = blazz.instance.supervisor
    session = supervisor.registry.get(account_id)
    assert session is not None
    expired = pb.State(state=pb.SESSION_STATE_QR_EXPIRED)
    supervisor.reports.handle(pb.Event(session_id=session.ref.session_id, epoch=session.epoch, state=expired))
    row = await blazz.status(account_id, "disconnected")
    assert (row["disconnect_reason"], row["disconnect_details"]) == ("qr_expired", "The code was not used in time.")
    assert await blazz.commands.qr(account_id) is None
    (assigned,) = await blazz.rows(assignments, assignments.c.id == account_id)
    assert assigned["wanted"] == "stopped"


@pytest.mark.engine
async def test_a_code_is_not_shown_after_its_end(blazz: Blazz, monkeypatch: pytest.MonkeyPatch) -> None:
    account_id = await blazz.add_account()
    qr = await shown(blazz, account_id)
    monkeypatch.setattr(commands, "utc_now", lambda: qr.expires_at)
    assert await blazz.commands.qr(account_id) is None


def test_a_number_that_was_linked_while_it_was_stopped_does_not_claim_to_run() -> None:
    paired = pb.State(state=pb.SESSION_STATE_PAIRED)
    verdict = judge(paired, linked=False, status="disconnected", started=False)
    assert verdict is not None
    assert verdict.status == "disconnected"
