"""A network that loses, reorders, breaks and forgets: a number keeps every message, once, and goes on by itself."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from PIL import Image as Picture

from blazz.media.tables import media as media_table
from blazz.messaging.tables import messages
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, shown, text
from tests.support.waiting import eventually
from whatsim.model import FaultSpec, ImageContent
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@dataclass
class Shop:
    """A linked number and a customer who has written to it."""

    blazz: Blazz
    network: Network
    number: Number
    customer: str

    async def write(self, *bodies: str) -> None:
        """Have the customer write."""
        for body in bodies:
            await self.network.send_message(self.customer, self.number.phone, text(body))

    async def stored(self, *bodies: str, within_s: float = 20.0) -> list[str]:
        """Wait until these bodies are stored; returns them as they are, with doubles, in the order of the chat."""

        async def all_there() -> list[str]:
            found = [body for body in await self.blazz.bodies(from_me=False) if body in bodies]
            return found if set(found) >= set(bodies) else []

        return await eventually(all_there, within_s=within_s, what=f"{bodies} stored")

    def seen(self, *bodies: str) -> list[str]:
        """Return those of these bodies that the customer's phone shows."""
        return [body for body in shown(self.network, self.customer) if body in bodies]

    async def healthy(self) -> None:
        """Nothing is left of the fault: a message goes each way."""
        assert self.network.list_faults() == []
        await self.write("and on")
        await self.stored("and on")
        await self.blazz.state(await self.blazz.send_text(self.number, self.customer, "we too"), "delivered")


@pytest.fixture(scope="module")
async def built(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Shop]:
    directory = tmp_path_factory.mktemp("faults")
    async with simulated_network(directory / "network") as network, running(directory / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone(name="Budi")).number
        yield Shop(blazz, network, number, customer)


@pytest.fixture
async def shop(built: Shop) -> AsyncIterator[Shop]:
    """The one shop of this file, with a new customer, whole at the end of each test."""
    customer = (await built.network.create_phone()).number
    fresh = Shop(built.blazz, built.network, built.number, customer)
    await fresh.write(f"hello from {customer}")
    await fresh.stored(f"hello from {customer}")
    yield fresh
    built.network.clear_faults()
    await fresh.healthy()


def fault(shop: Shop, kind: str, **fields: object) -> None:
    """Disturb the number's device."""
    shop.network.add_fault(FaultSpec(kind, number=shop.number.phone, **fields))  # type: ignore[arg-type]


async def test_a_message_lost_on_the_way_to_us_comes_after_a_reconnect(shop: Shop) -> None:
    fault(shop, "lose_messages", count=1)
    await shop.write("lost on the way", "not lost")
    await shop.stored("not lost")
    fault(shop, "drop_connection")
    assert await shop.stored("lost on the way", "not lost") == ["not lost", "lost on the way"]


async def test_a_message_of_ours_that_was_lost_is_sent_again_with_the_same_id(shop: Shop) -> None:
    fault(shop, "lose_sent", count=1)
    message_id = await shop.blazz.send_text(shop.number, shop.customer, "lost, then found")
    await eventually(lambda: shop.network.list_faults() == [], what="the loss")
    # The end of the connection ends the wait for an acknowledgement, which would take half a minute.
    fault(shop, "drop_connection")
    await shop.blazz.state(message_id, "delivered", within_s=60)
    assert shop.seen("lost, then found") == ["lost, then found"]


async def test_a_doubled_message_is_stored_once(shop: Shop) -> None:
    fault(shop, "duplicate", count=2)
    await shop.write("twice one", "twice two")
    assert await shop.stored("twice one", "twice two") == ["twice one", "twice two"]
    await shop.write("after the doubles")
    await shop.stored("after the doubles")
    assert await shop.stored("twice one", "twice two") == ["twice one", "twice two"]


async def test_messages_in_another_order_are_all_read(shop: Shop) -> None:
    fault(shop, "reorder", count=4)
    bodies = ["order 1", "order 2", "order 3", "order 4"]
    await shop.write(*bodies)
    assert sorted(await shop.stored(*bodies)) == bodies


async def test_late_messages_come_late(shop: Shop) -> None:
    fault(shop, "delay", seconds=0.3)
    await shop.write("late")
    message_id = await shop.blazz.send_text(shop.number, shop.customer, "acknowledged late")
    assert await shop.stored("late") == ["late"]
    await shop.blazz.state(message_id, "delivered")
    shop.network.clear_faults()


async def test_a_broken_message_is_asked_for_again_and_read(shop: Shop) -> None:
    before = shop.network.stats().retry_requests
    fault(shop, "corrupt", count=1)
    await shop.write("broken on the way")
    assert await shop.stored("broken on the way") == ["broken on the way"]
    assert shop.network.stats().retry_requests == before + 1
    rows = [row for row in await shop.blazz.messages(messages.c.body.is_(None)) if row["kind"] != "system"]
    assert rows == [], "no placeholder is left"


async def test_forgotten_prekeys_are_uploaded_again(shop: Shop) -> None:
    world = shop.network._core.world
    (device,) = world.phone(shop.number.phone).devices.values()
    assert device.prekeys_left > 0
    fault(shop, "forget_prekeys")
    await eventually(lambda: device.prekeys_left > 0, what="new prekeys")
    stranger = (await shop.network.create_phone()).number
    await shop.network.send_message(stranger, shop.number.phone, text("a first message with a new key"))
    await shop.stored("a first message with a new key")


async def test_expired_media_fails_with_a_reason_and_the_message_stays(shop: Shop) -> None:
    buffer = io.BytesIO()
    Picture.new("RGB", (64, 48), "olive").save(buffer, "JPEG")
    # Nothing is fetched while the device is away; then the file is gone from the media host, but not from the phone.
    commands = shop.blazz.instance.commands
    await commands.disconnect(shop.number.account_id)
    await shop.network.send_message(
        shop.customer, shop.number.phone, ImageContent(buffer.getvalue(), caption="too late")
    )
    shop.network.add_fault(FaultSpec("expire_media"))
    await shop.blazz.connect(shop.number.account_id)
    await shop.blazz.status(shop.number.account_id, "connected")
    assert await shop.stored("too late") == ["too late"]

    async def judged() -> str | None:
        (row,) = await shop.blazz.messages(messages.c.body == "too late")
        (file,) = await shop.blazz.rows(media_table, media_table.c.id == row["media_id"])
        return str(file["status"]) if file["status"] in ("failed", "completed") else None

    assert await eventually(judged, what="the file's fate") in ("failed", "completed")


async def test_a_cut_in_the_middle_of_a_burst_loses_and_doubles_nothing(shop: Shop) -> None:
    bodies = [f"burst {number}" for number in range(30)]
    for number, body in enumerate(bodies):
        await shop.write(body)
        if number % 10 == 5:
            fault(shop, "drop_connection")
            await asyncio.sleep(0)
    assert sorted(await shop.stored(*bodies), key=bodies.index) == bodies
