"""What a number shares with its phone: settings of chats and messages go both ways, also after a time apart."""

from __future__ import annotations

import datetime as dt
import os
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from blazz._generated.engine import engine_pb2 as pb
from blazz.contacts.tables import contacts
from blazz.kit import failpoints
from blazz.kit.time import utc_now
from blazz.messaging import settings
from blazz.messaging.history_model import FOREVER
from blazz.messaging.state_schemas import ChatChange
from blazz.messaging.state_tables import labels, phone_requests
from blazz.messaging.tables import chats, messages
from blazz.sessions.registry import Session
from blazz.sessions.shared_state import NEWS
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, text
from tests.support.waiting import eventually
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with simulated_network(tmp_path / "network") as network:
        yield network


@pytest.fixture
async def blazz(tmp_path: Path, network: Network) -> AsyncIterator[Blazz]:
    async with running(tmp_path / "blazz", network) as blazz:
        yield blazz


async def conversation(blazz: Blazz, network: Network) -> tuple[Number, str]:
    """Link a number and have a customer write to it."""
    number = await blazz.link()
    customer = (await network.create_phone(name="Budi")).number
    await network.send_message(customer, number.phone, text("hello"))
    await eventually(lambda: _has_chat(blazz), what="the chat")
    return number, customer


async def _has_chat(blazz: Blazz) -> bool:
    rows = await blazz.rows(chats)
    return bool(rows) and rows[0]["last_message_at"] is not None


async def chat(blazz: Blazz) -> RowMapping:
    """Return the one chat."""
    (row,) = await blazz.rows(chats)
    return row


async def becomes(blazz: Blazz, **wanted: Any) -> None:
    """Wait until the chat's row has these values; a truth value stands for any value or none."""

    async def reached() -> bool:
        row = await chat(blazz)
        return all(_matches(row[name], value) for name, value in wanted.items())

    await eventually(reached, what=f"a chat with {wanted}")


def _matches(found: Any, wanted: Any) -> bool:
    return bool(found) == wanted if isinstance(wanted, bool) else bool(found == wanted)


async def change(blazz: Blazz, **values: Any) -> None:
    """Do what PATCH /chats/{id} does."""
    row = await chat(blazz)
    await blazz.database.write(blazz.scope, settings.change_chat, row["id"], ChatChange.model_validate(values))


@pytest.mark.kind("star", "receive")
@pytest.mark.kind("delete_for_me", "receive", "network")
async def test_what_is_set_on_the_phone_is_set_here(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    await network.settings.change_chat(number.phone, customer, archived=True, muted_until_ms=-1)
    await becomes(blazz, archived=True, muted_until=FOREVER)
    await network.settings.change_chat(number.phone, customer, archived=False, pinned=True, muted_until_ms=0)
    await becomes(blazz, archived=False, pinned_at=True, muted_until=False)
    await network.settings.change_chat(number.phone, customer, unread=True)
    await becomes(blazz, marked_unread=True)
    await network.settings.name_contact(number.phone, customer, "Pak Budi")
    await network.settings.edit_label(number.phone, "4", "Paid", 2)
    await network.settings.label_chat(number.phone, customer, "4")
    (message,) = await blazz.messages()
    await network.settings.star(number.phone, customer, message["wa_message_id"])

    async def all_there() -> bool:
        (person,) = await blazz.rows(contacts)
        (row,) = await blazz.messages()
        found = await blazz.database.read(blazz.scope, settings.labels_page, number.account_id)
        return person["book_name"] == "Pak Budi" and row["starred_at"] and [one["chats"] for one in found] == [1]

    await eventually(all_there, what="name, star and label")
    told = [event["data"] for event in await blazz.events("chat.updated")]
    assert any(data.get("archived") is True for data in told)
    assert any(data.get("labels") for data in told)
    await network.settings.delete_for_me(number.phone, customer, message["wa_message_id"])
    await eventually(lambda: _hidden(blazz), what="a message deleted for us")


async def _hidden(blazz: Blazz) -> bool:
    return all(row["hidden_at"] for row in await blazz.messages())


@pytest.mark.kind("star", "send")
@pytest.mark.kind("star", "network")
async def test_what_is_set_here_is_set_on_the_phone(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    await network.settings.edit_label(number.phone, "7", "VIP", 1)
    await eventually(lambda: _label(blazz), what="the label")
    label = await _label(blazz)
    until = utc_now().replace(microsecond=0) + dt.timedelta(hours=8)
    await change(blazz, pinned=True, muted_until=until.isoformat(), unread=True, labels=[str(label)])

    async def on_phone() -> bool:
        found = network.settings.of_chat(number.phone, customer)
        until_ms = int(until.timestamp() * 1000)
        return (found.pinned, found.muted_until_ms, found.unread, found.labels) == (True, until_ms, True, ("7",))

    await eventually(on_phone, what="pin, silence, mark and label on the phone")
    await change(blazz, archived=True)
    await eventually(lambda: _archived(network, number, customer), what="the archive on the phone")
    assert network.settings.of_chat(number.phone, customer).pinned is False, "an archived chat is not pinned"
    await eventually(lambda: _nothing_waits(blazz), what="requests that are done")
    row = await chat(blazz)
    assert (bool(row["archived"]), row["pinned_at"]) == (True, None)
    (message,) = await blazz.messages(messages.c.from_me.is_(False))
    await blazz.database.write(blazz.scope, settings.star, message["id"], starred=True)
    index = ("star", row["address"], message["wa_message_id"], "0", "0")

    async def starred() -> bool:
        value = network.settings.all(number.phone).get(index)
        return value is not None and value.star is not None and bool(value.star.starred)

    await eventually(starred, what="the star on the phone")


async def _label(blazz: Blazz) -> uuid.UUID | None:
    rows = await blazz.rows(labels)
    return rows[0]["id"] if rows else None


async def _archived(network: Network, number: Number, customer: str) -> bool:
    return network.settings.of_chat(number.phone, customer).archived


async def _nothing_waits(blazz: Blazz) -> bool:
    return not await blazz.rows(phone_requests)


async def test_changes_made_while_apart_meet_when_it_is_connected_again(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    await blazz.commands.disconnect(number.account_id)
    await blazz.status(number.account_id, "disconnected")
    await network.settings.change_chat(number.phone, customer, muted_until_ms=-1, archived=True)
    await change(blazz, pinned=True)
    assert network.settings.of_chat(number.phone, customer).pinned is False
    await blazz.connect(number.account_id)
    await blazz.status(number.account_id, "connected")
    await becomes(blazz, muted_until=FOREVER)

    async def pinned() -> bool:
        return network.settings.of_chat(number.phone, customer).pinned

    await eventually(pinned, what="the pin that waited")


async def test_settings_that_a_dying_engine_host_had_are_not_lost(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    await network.settings.change_chat(number.phone, customer, pinned=True)
    await becomes(blazz, pinned_at=True)
    supervisor = blazz.instance.supervisor

    def forget(_session: Session, event: pb.Event) -> None:
        supervisor.answer(stored=(event.tag,))

    supervisor.takers |= dict.fromkeys(NEWS, forget)
    await network.settings.change_chat(number.phone, customer, archived=True)
    await eventually(lambda: _all_confirmed(network), what="the change at the engine host")
    await blazz.stop()
    await blazz.start()
    await blazz.status(number.account_id, "connected")
    await becomes(blazz, archived=True)


async def _all_confirmed(network: Network) -> bool:
    return network.stats().queued == 0


async def test_an_engine_host_that_is_killed_brings_settings_again(blazz: Blazz, network: Network) -> None:
    number, customer = await conversation(blazz, network)
    os.kill(blazz.engine_pid, signal.SIGSTOP)
    await network.settings.change_chat(number.phone, customer, archived=True)
    os.kill(blazz.engine_pid, signal.SIGKILL)
    await becomes(blazz, archived=True)


async def test_a_change_whose_record_fails_is_sent_again_and_means_the_same(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    number, customer = await conversation(blazz, network)

    async def pinned() -> bool:
        return network.settings.of_chat(number.phone, customer).pinned

    failpoints.arm("state.sent_before_record", "error@1")
    try:
        await change(blazz, pinned=True)
        await eventually(lambda: _reached("state.sent_before_record"), what="the failure")
        assert await pinned()
        assert not await _nothing_waits(blazz), "it was not recorded as sent"
    finally:
        failpoints.disarm("state.sent_before_record")
    await eventually(lambda: _nothing_waits(blazz), what="the record", within_s=40)
    assert await pinned()
    await becomes(blazz, pinned_at=True)


async def test_a_setting_that_could_not_be_stored_comes_again(
    blazz: Blazz, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    number, customer = await conversation(blazz, network)
    failpoints.arm("state.before_store", "error@1")
    try:
        await network.settings.change_chat(number.phone, customer, archived=True)
        await eventually(lambda: _reached("state.before_store"), what="the failure")
    finally:
        failpoints.disarm("state.before_store")
    await becomes(blazz, archived=True)


async def _reached(point: str) -> bool:
    return bool(failpoints._reached.get(point))
