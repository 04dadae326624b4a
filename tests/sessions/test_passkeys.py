"""Linking a number whose phone demands its passkey: a challenge, a real signature, and only then a device."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.cluster.pairing_commands import PasskeyView
from blazz.kit.errors import BlazzError
from tests.support.network import simulated_network
from tests.support.product import Blazz, running, text
from tests.support.waiting import eventually
from whatsim.model import LinkRefused
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with simulated_network(tmp_path / "network") as opened:
        yield opened


@pytest.fixture
async def blazz(tmp_path: Path, network: Network) -> AsyncIterator[Blazz]:
    async with running(tmp_path / "blazz", network) as opened:
        yield opened


async def challenged(blazz: Blazz, network: Network, phone: str, *, by_code: bool = False) -> tuple[Any, PasskeyView]:
    """Begin to link a phone that demands its passkey; returns the account and what is asked."""
    network.passkeys.require(phone)
    account_id = await blazz.add_account()
    if by_code:
        await blazz.connect(account_id, use_qr=False)
        code = await blazz.commands.pairing_code(account_id, f"+{phone}")
        linking = network.link_code(phone, code.code)
    else:
        await blazz.connect(account_id)
        qr = await eventually(lambda: blazz.commands.qr(account_id), what="a QR code")
        assert qr is not None
        linking = network.link_qr(phone, qr.code)
    with pytest.raises(LinkRefused) as refused:
        await linking
    assert refused.value.reason == "passkey_needed"
    await blazz.status(account_id, "passkey_required")
    shown = await eventually(lambda: blazz.commands.passkey(account_id), what="a challenge")
    assert shown is not None
    return account_id, shown


@pytest.mark.parametrize("by_code", [False, True])
async def test_a_number_is_linked_with_its_passkey(blazz: Blazz, network: Network, by_code: bool) -> None:
    phone = (await network.create_phone()).number
    account_id, shown = await challenged(blazz, network, phone, by_code=by_code)
    assert shown.step == "challenge"
    assert shown.options["rpId"] == "whatsapp.com"
    assert await blazz.commands.qr(account_id) is None
    await blazz.commands.answer_passkey(account_id, json.dumps(network.passkeys.assertion(phone)))
    await blazz.status(account_id, "connected")
    assert await blazz.commands.passkey(account_id) is None
    customer = (await network.create_phone()).number
    await network.send_message(customer, phone, text("linked?"))
    await eventually(lambda: blazz.bodies(from_me=False), what="a message")
    names = [event["name"] for event in await blazz.events()]
    assert names.index("session.passkey") < names.index("session.authenticated")
    for event in await blazz.events("session.passkey"):
        assert "challenge" not in json.dumps(event["data"]).replace('"step": "challenge"', "")


async def test_a_wrong_signature_is_refused_and_a_right_one_still_taken(blazz: Blazz, network: Network) -> None:
    phone = (await network.create_phone()).number
    account_id, _ = await challenged(blazz, network, phone)
    wrong = network.passkeys.assertion(phone, origin="https://app.example")
    with pytest.raises(BlazzError) as refused:
        await blazz.commands.answer_passkey(account_id, json.dumps(wrong))
    assert refused.value.code == "whatsapp_refused"
    assert network.passkeys.state(phone).refused == "not asked for on the network's own page"
    shown = await blazz.commands.passkey(account_id)
    assert shown is not None
    assert shown.step == "challenge"
    await blazz.commands.answer_passkey(account_id, json.dumps(network.passkeys.assertion(phone)))
    await blazz.status(account_id, "connected")


async def test_a_passkey_that_nobody_asks_for_is_not_taken(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    for call in (
        blazz.commands.answer_passkey(number.account_id, "{}"),
        blazz.commands.confirm_passkey(number.account_id),
    ):
        with pytest.raises(BlazzError) as refused:
            await call
        assert refused.value.code == "no_passkey"


async def test_a_code_is_shown_and_confirmed_where_the_phone_does_not_know_us(blazz: Blazz, network: Network) -> None:
    """The network of today proves every hand-over, so the engine host's report is made up here."""
    phone = (await network.create_phone()).number
    account_id, _ = await challenged(blazz, network, phone)
    supervisor = blazz.instance.supervisor
    session = supervisor.registry.get(account_id)
    assert session is not None
    confirmation = pb.PasskeyConfirmation(code="ABCD-1234", proven=False, lifetime_s=60)
    event = pb.Event(session_id=session.ref.session_id, epoch=session.epoch, passkey_confirmation=confirmation)
    supervisor.passkeys.take(session, event)
    shown = await blazz.commands.passkey(account_id)
    assert shown is not None
    assert (shown.step, shown.code) == ("confirm", "ABCD-1234")
    with pytest.raises(BlazzError) as refused:  # the engine host knows better
        await blazz.commands.confirm_passkey(account_id)
    assert refused.value.code == "no_passkey"
