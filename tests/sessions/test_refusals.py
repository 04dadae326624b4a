"""What WhatsApp refuses is heeded at once, told with its end, and over by itself; nothing that waits is lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from blazz.accounts import restrictions
from blazz.cluster import client_alarm, platform_log
from blazz.engine_client import EngineError
from blazz.engine_client.client import SessionRef
from blazz.engine_client.limits import LimitsClient
from blazz.kit.db import Platform
from blazz.kit.time import utc_now
from blazz.sessions import limits, outbox
from blazz.sessions.limits import LimitDesk
from blazz.sessions.registry import Session
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, shown, text
from tests.support.waiting import eventually
from whatsim.model import FaultSpec
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
_SCOPE = Platform("test")


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with simulated_network(tmp_path / "network") as opened:
        yield opened


@pytest.fixture
async def blazz(tmp_path: Path, network: Network) -> AsyncIterator[Blazz]:
    async with running(tmp_path / "blazz", network) as opened:
        yield opened


async def customer_who_wrote(blazz: Blazz, network: Network, number: Number) -> str:
    """Return a phone that has written to the number."""
    customer = (await network.create_phone()).number
    before = len(await blazz.bodies(from_me=False))
    await network.send_message(customer, number.phone, text("Are you open?"))

    async def came() -> bool:
        return len(await blazz.bodies(from_me=False)) > before

    await eventually(came, what="the customer's message")
    return customer


async def held(blazz: Blazz, number: Number) -> restrictions.Restriction | None:
    """Return the restriction that the number shows."""
    return restrictions.worst(await blazz.account(number.account_id), utc_now())


async def restricted(blazz: Blazz, number: Number, kind: str) -> restrictions.Restriction:
    """Wait until the number shows a restriction of this kind."""

    async def shows() -> restrictions.Restriction | None:
        found = await held(blazz, number)
        return found if found is not None and found.kind == kind else None

    found = await eventually(shows, what=kind)
    assert found is not None
    return found


async def free(blazz: Blazz, number: Number) -> None:
    """Wait until the number shows no restriction any more."""

    async def shows_none() -> bool:
        return (await blazz.account(number.account_id))["restrictions"] is None

    await eventually(shows_none, what="no restriction")


async def test_a_time_lock_holds_new_chats_answers_old_ones_and_ends_by_itself(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    customer, stranger = await customer_who_wrote(blazz, network, number), (await network.create_phone()).number
    await network.limits.timelock(number.phone, 3)
    lock = await restricted(blazz, number, "reachout_timelock")
    assert lock.until is not None
    assert not lock.assumed
    assert lock.existing_chats == "allowed"
    waiting = await blazz.send_text(number, stranger, "An offer")
    await blazz.state(await blazz.send_text(number, customer, "We are"), "delivered")
    (row,) = await blazz.messages_of(waiting)
    assert row["state"] == "pending"
    assert network.limits.refused_new_chats(number.phone) == 0, "nothing was tried"
    await blazz.state(waiting, "delivered")
    assert shown(network, stranger) == ["An offer"]
    await free(blazz, number)
    (told,) = await blazz.events("account.restricted")
    assert told["data"]["kind"] == "reachout_timelock"
    assert told["data"]["new_chats"] == "stopped"
    assert len(await blazz.events("account.restriction_lifted")) == 1


async def test_a_refused_new_chat_stops_the_others_and_asks_until_when(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    strangers = [(await network.create_phone()).number for _ in range(12)]
    await network.limits.timelock(number.phone, 600, tell=False)
    waiting = [await blazz.send_text(number, stranger, "Hello") for stranger in strangers]
    lock = await restricted(blazz, number, "reachout_timelock")

    async def end_is_known() -> bool:
        found = await held(blazz, number)
        return found is not None and not found.assumed

    await eventually(end_is_known, what="the end that WhatsApp tells")
    assert lock.code == 463
    more = await blazz.send_text(number, (await network.create_phone()).number, "Hello")
    await network.limits.timelock(number.phone, 0)
    for message in [*waiting, more]:
        await blazz.state(message, "delivered")
    assert 1 <= network.limits.refused_new_chats(number.phone) <= 8, "what was under way, and nothing again"


async def test_a_lock_whose_end_was_guessed_is_asked_about_before_anything_is_tried(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_ASSUMED", dt.timedelta(seconds=1))
    asked = 0

    async def silent_at_first(self: LimitsClient, ref: SessionRef) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise EngineError("not_told", "the answer cannot be read")
        return await ask(self, ref)

    ask = LimitsClient.reachout_timelock
    monkeypatch.setattr(LimitsClient, "reachout_timelock", silent_at_first)
    number = await blazz.link()
    await network.limits.timelock(number.phone, 3, tell=False)
    waiting = await blazz.send_text(number, (await network.create_phone()).number, "Hello")
    assert (await restricted(blazz, number, "reachout_timelock")).assumed
    await blazz.state(waiting, "delivered")
    assert asked == 2
    assert network.limits.refused_new_chats(number.phone) == 1


async def test_a_message_that_is_refused_again_after_a_week_fails(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_PATIENCE", dt.timedelta(0))
    number = await blazz.link()
    await network.limits.timelock(number.phone, 600, tell=False)
    row = await blazz.state(await blazz.send_text(number, (await network.create_phone()).number, "Hello"), "failed")
    assert row["error_code"] == "refused_463"


async def test_waiting_messages_outlive_their_own_expiry(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    before = await blazz.send_text(number, (await network.create_phone()).number, "later")
    await blazz.state(before, "delivered")
    await network.limits.timelock(number.phone, 5 * 86_400)
    lock = await restricted(blazz, number, "reachout_timelock")
    await blazz.send_text(number, (await network.create_phone()).number, "An offer")
    (row,) = await blazz.outbox()
    assert lock.until is not None
    assert row["expires_at"] > lock.until + dt.timedelta(hours=23)


async def test_used_up_new_chats_hold_new_ones(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    await network.limits.cap(number.phone, "FIRST_WARNING", 20, 25, 3600)
    await network.limits.cap(number.phone, "CAPPED", 25, 25, 3600)
    cap = await restricted(blazz, number, "new_chat_limit")
    assert "25 of 25" in cap.reason
    assert cap.until is not None
    waiting = await blazz.send_text(number, (await network.create_phone()).number, "An offer")

    async def put_back() -> bool:
        (row,) = await blazz.outbox()
        return bool(row["due_at"] == cap.until and row["attempts"] == 0)

    await eventually(put_back, what="the message waits for the end of the period, untried")
    await network.limits.cap(number.phone, "NONE", 0, 25, 3600)
    await blazz.state(waiting, "delivered")
    assert network.limits.refused_new_chats(number.phone) == 0


async def test_sending_too_much_pauses_the_number_and_goes_on_by_itself(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_FIRST_PAUSE_S", 1.5)
    number = await blazz.link()
    customer = await customer_who_wrote(blazz, network, number)
    network.add_fault(FaultSpec("refuse_messages", number=number.phone, code="429", count=1))
    first = await blazz.send_text(number, customer, "one")
    pause = await restricted(blazz, number, "rate_limited")
    assert pause.existing_chats == "stopped"
    second = await blazz.send_text(number, customer, "two")
    for message in (first, second):
        await blazz.state(message, "delivered")
    assert shown(network, customer) == ["one", "two"]
    await free(blazz, number)


async def test_a_refused_content_fails_at_once_with_its_reason(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    customer = await customer_who_wrote(blazz, network, number)
    network.add_fault(FaultSpec("refuse_messages", number=number.phone, code="479", count=1))
    row = await blazz.state(await blazz.send_text(number, customer, "bad"), "failed")
    assert row["error_code"] == "refused_479"
    await blazz.state(await blazz.send_text(number, customer, "good"), "delivered")
    assert shown(network, customer) == ["good"]
    assert await held(blazz, number) is None


async def test_a_temporary_ban_is_waited_out(blazz: Blazz, network: Network) -> None:
    number = await blazz.link()
    customer = await customer_who_wrote(blazz, network, number)
    network.limits.ban(number.phone, 4, code=104)
    row = await blazz.status(number.account_id, "disconnected")
    ban = await restricted(blazz, number, "temporary_ban")
    row = await blazz.account(number.account_id)
    assert row["disconnect_reason"] == "banned"
    assert row["jid"] is not None, "the pairing stays"
    assert "same message" in ban.reason
    waiting = await blazz.send_text(number, customer, "Sorry, we were away")
    refused = network.stats().login_refusals
    await blazz.status(number.account_id, "connected")
    await blazz.state(waiting, "delivered")
    assert network.stats().login_refusals <= refused + 1
    await free(blazz, number)


async def test_a_ban_is_waited_out_after_a_restart_too(tmp_path: Path, network: Network) -> None:
    blazz = Blazz(tmp_path / "blazz", network)
    await blazz.start()
    number = await blazz.link()
    network.limits.ban(number.phone, 600)
    await restricted(blazz, number, "temporary_ban")
    await blazz.stop()
    refused = network.stats().login_refusals
    await blazz.start()
    await blazz.connect(await blazz.add_account())  # something else starts meanwhile
    assert network.stats().login_refusals == refused
    await blazz.stop()


async def _nothing(_desk: LimitDesk, _session: Session) -> None:
    """The process has died behind the commit that stored the ban."""


@pytest.mark.parametrize("cut", [False, True])
async def test_a_ban_for_good_fails_what_waits(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    if cut:
        monkeypatch.setattr(LimitDesk, "_fail_queued", _nothing)
    number = await blazz.link()
    await network.limits.timelock(number.phone, 600)
    await restricted(blazz, number, "reachout_timelock")
    waiting = await blazz.send_text(number, (await network.create_phone()).number, "An offer")
    network.limits.ban(number.phone, None)
    row = await blazz.status(number.account_id, "logged_out")
    assert "banned" in row["status_detail"]
    failed = await blazz.state(waiting, "failed")
    assert failed["error_code"] == "account_banned"
    assert (await restricted(blazz, number, "banned")).until is None


async def outdated(blazz: Blazz, number: Number) -> RowMapping:
    """Wait until the number says that its client is too old."""

    async def says() -> RowMapping | None:
        row = await blazz.account(number.account_id)
        return row if row["disconnect_reason"] == "client_outdated" else None

    found = await eventually(says, what="the reason")
    assert found is not None
    return found


async def test_an_outdated_client_is_one_alarm_and_no_storm(tmp_path: Path, network: Network) -> None:
    async with running(tmp_path / "blazz", network, client_version_retry_s=2) as blazz:
        numbers = [await blazz.link() for _ in range(3)]
        network.limits.client_versions(4_000_000_000, None)
        network.add_fault(FaultSpec("drop_connection"))
        for number in numbers:
            row = await outdated(blazz, number)
            assert "Update Blazz" in row["status_detail"]
        alarm = await eventually(lambda: blazz.database.read(_SCOPE, client_alarm.current), what="the alarm")
        assert alarm is not None
        assert alarm.instances == ["instance-0"]
        refused = network.stats().login_refusals
        assert refused <= len(numbers) + 1
        network.limits.client_versions(None, None)
        for number in numbers:
            await blazz.status(number.account_id, "connected")

        async def over() -> bool:
            return await blazz.database.read(_SCOPE, client_alarm.current) is None

        await eventually(over, what="the end of the alarm")
        told = await blazz.database.read(_SCOPE, platform_log.read_after, 0)
        assert [event.name for event in told if event.name.startswith("client.")] == [
            "client.refused",
            "client.accepted",
        ]


async def test_a_refused_client_version_is_replaced_where_that_is_allowed(tmp_path: Path, network: Network) -> None:
    async with running(tmp_path / "blazz", network, refresh_client_version=True) as blazz:
        number = await blazz.link()
        network.limits.client_versions(3_999_999_999, 3_999_999_999)
        network.add_fault(FaultSpec("drop_connection"))

        async def refused() -> bool:
            return network.stats().login_refusals > 0

        await eventually(refused, what="a refusal")
        await blazz.status(number.account_id, "connected")
        assert await blazz.database.read(_SCOPE, client_alarm.current) is None
