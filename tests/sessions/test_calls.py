"""Calls: shown while they ring, written into the chat, declined where the number says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from blazz.accounts import call_settings
from blazz.accounts.call_settings import CallSettings
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.kit import failpoints
from blazz.messaging import phone_calls
from blazz.messaging.tables import messages
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, shown
from tests.support.waiting import eventually
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


async def calls(blazz: Blazz) -> list[dict[str, Any]]:
    """Return what the notices of calls say, the oldest first."""
    rows = await blazz.messages(messages.c.kind == "system")
    return [row["content"]["data"] for row in rows if row["content"]["event"] == "call"]


async def call_is(blazz: Blazz, status: str, count: int = 1) -> dict[str, Any]:
    """Wait until there are `count` calls, the newest with this status."""

    async def reached() -> dict[str, Any] | None:
        found = await calls(blazz)
        return found[-1] if len(found) == count and found[-1]["status"] == status else None

    found: dict[str, Any] | None = await eventually(reached, what=f"a call that is {status}")
    assert found is not None
    return found


@pytest.fixture
def seen(blazz: Blazz) -> list[EphemeralEvent]:
    """What people see at this moment."""
    found: list[EphemeralEvent] = []
    Ephemerals.shared().subscribe(blazz.workspace_id, found.append)
    return found


@pytest.mark.kind("call", "network")
@pytest.mark.kind("call", "receive")
@pytest.mark.parametrize("video", [False, True])
async def test_a_call_rings_and_is_then_missed(
    blazz: Blazz, network: Network, seen: list[EphemeralEvent], video: bool
) -> None:
    number = await blazz.link()
    customer = (await network.create_phone()).number
    call = await network.calls.offer(customer, number.phone, video=video)
    told = await call_is(blazz, "ringing")
    assert told["video"] is video
    await network.calls.end(call.id, "timeout")
    await call_is(blazz, "missed")
    assert [event.data["state"] for event in seen if event.name == "call"] == ["ringing", "ended"]
    assert await blazz.events("message.received")
    assert await blazz.events("message.updated")


@pytest.mark.parametrize(
    ("reason", "status"), [("accepted_elsewhere", "answered_elsewhere"), ("rejected_elsewhere", "rejected")]
)
async def test_a_call_that_the_phone_took_is_no_missed_one(
    blazz: Blazz, network: Network, reason: Any, status: str
) -> None:
    number = await blazz.link()
    call = await network.calls.offer((await network.create_phone()).number, number.phone)
    await call_is(blazz, "ringing")
    await network.calls.end(call.id, reason)
    await call_is(blazz, status)


async def declining(blazz: Blazz, number: Number, reply: str | None) -> None:
    """Let a number decline calls."""
    await blazz.database.write(blazz.scope, call_settings.change, number.account_id, CallSettings(True, reply))


def declined(network: Network, call_id: str) -> bool:
    """Tell whether a linked device has declined a call."""
    return any(call.id == call_id and call.rejected_by for call in network.calls.list())


async def test_calls_are_declined_by_setting_and_answered_once_an_hour(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    customer = (await network.create_phone()).number
    await declining(blazz, number, "Please write to us.")
    for count in (1, 2):
        call = await network.calls.offer(customer, number.phone)
        await call_is(blazz, "rejected", count)
        await eventually(partial(declined, network, call.id), what="declined")
    await eventually(lambda: shown(network, customer) == ["Please write to us."], what="the reply")
    first, second = await calls(blazz)
    assert "replied_at" in first
    assert "replied_at" not in second


async def test_a_call_from_long_ago_is_only_noted(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_calls, "RINGS", phone_calls.RINGS * -1)
    number = await blazz.link()
    await declining(blazz, number, "Too late")
    call = await network.calls.offer((await network.create_phone()).number, number.phone)
    await call_is(blazz, "missed")
    assert not [one for one in network.calls.list() if one.rejected_by]
    await network.calls.end(call.id)
    assert len(await calls(blazz)) == 1


async def test_a_call_that_came_while_we_were_away_is_noted_at_the_next_start(tmp_path: Path, network: Network) -> None:
    blazz = Blazz(tmp_path / "blazz", network)
    await blazz.start()
    number = await blazz.link()
    await blazz.stop()
    call = await network.calls.offer((await network.create_phone()).number, number.phone)
    await network.calls.end(call.id, "timeout")
    await blazz.start()
    await call_is(blazz, "missed")
    await blazz.stop()


async def test_a_call_that_cannot_be_stored_is_delivered_again(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await blazz.link()
    failures = 1
    stored = phone_calls.store

    def fails_once(*arguments: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("disk full")
        return stored(*arguments)

    monkeypatch.setattr(phone_calls, "store", fails_once)
    await network.calls.offer((await network.create_phone()).number, number.phone)
    await call_is(blazz, "ringing")


async def test_a_call_is_confirmed_only_after_it_is_stored_and_then_noted_once(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    number = await blazz.link()
    failpoints.arm("calls.stored_before_ack", "error")
    try:
        await network.calls.offer((await network.create_phone()).number, number.phone)
        await call_is(blazz, "ringing")
        assert waiting(network, number) > 0, "WhatsApp still has it"
    finally:
        failpoints.disarm("calls.stored_before_ack")
    await eventually(lambda: waiting(network, number) == 0, what="the confirmation")
    assert len(await calls(blazz)) == 1


def waiting(network: Network, number: Number) -> int:
    """Return how much waits for the number's confirmation."""
    (device,) = network.get_phone(number.phone).devices
    return device.queued
