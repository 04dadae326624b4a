"""Messages both ways: text and pictures, receipts up to read, typing, and what happens over a restart."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image as Picture

from blazz.accounts import profiles
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.media import service as media
from blazz.media.tables import media as media_table
from blazz.messaging.tables import messages
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, shown, text
from tests.support.waiting import eventually
from whatsim.model import FaultSpec, ImageContent, MessageView
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


def picture(colour: str) -> bytes:
    """Return a small JPEG."""
    buffer = io.BytesIO()
    Picture.new("RGB", (64, 48), colour).save(buffer, "JPEG")
    return buffer.getvalue()


async def conversation(blazz: Blazz, network: Network) -> tuple[Number, str]:
    """Link a number and have a customer write to it, so that a chat exists."""
    number = await blazz.link()
    customer = (await network.create_phone(name="Budi")).number
    await network.send_message(customer, number.phone, text("hello"))
    await eventually(lambda: _has(blazz, "hello"), what="the first message")
    return number, customer


async def _has(blazz: Blazz, body: str) -> bool:
    return body in await blazz.bodies(from_me=False)


@pytest.mark.kind("receipt", "receive", "network")
async def test_a_customers_text_is_stored_and_answered_up_to_read(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        (stored,) = await blazz.messages(messages.c.from_me.is_(False))
        assert stored["source"] == "customer"
        assert stored["author"].endswith("@lid")
        message_id = await blazz.send_text(number, customer, "good morning")
        await blazz.state(message_id, "delivered")
        assert shown(network, customer) == ["good morning"]
        await network.mark_read(customer, number.phone)
        await blazz.state(message_id, "read")
        names = [event["data"]["state"] for event in await blazz.events("message.status")]
        # a receipt may overtake the record of the acknowledgement: states never go backwards
        assert names in (["sent", "delivered", "read"], ["delivered", "read"])


async def test_a_number_can_write_first(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        stranger = (await network.create_phone(name="New")).number
        message_id = await blazz.send_text(number, stranger, "welcome")
        await blazz.state(message_id, "delivered")
        await network.send_message(stranger, number.phone, text("thanks"))
        await eventually(lambda: _has(blazz, "thanks"))
        chats = {row["chat_id"] for row in await blazz.messages()}
        assert len(chats) == 1, "the answer belongs to the chat that we opened"


async def test_what_is_written_on_the_phone_appears_here(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        await network.send_message(number.phone, customer, text("from my pocket"))
        await eventually(lambda: _sent_from_phone(blazz))
        (row,) = await blazz.messages(messages.c.from_me.is_(True))
        assert row["body"] == "from my pocket"
        assert row["source"] == "phone"


async def _sent_from_phone(blazz: Blazz) -> bool:
    return bool(await blazz.bodies(from_me=True))


async def test_pictures_go_both_ways(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        content = picture("red")
        await network.send_message(customer, number.phone, ImageContent(content, caption="look"))

        async def completed() -> bool:
            rows = await blazz.rows(media_table)
            return bool(rows) and rows[0]["status"] == "completed"

        await eventually(completed, what="the picture is fetched")
        (row,) = await blazz.rows(media_table)
        store = blazz.instance._media_store
        assert await store.read(row["path"]) == content
        assert (row["width"], row["height"]) == (64, 48)
        assert (await blazz.events("media.updated"))[0]["data"]["status"] == "completed"

        async def body() -> AsyncIterator[bytes]:
            yield picture("blue")

        uploaded = await media.upload(
            blazz.database, store, blazz.settings, blazz.scope, body(), "blue.jpg", "image/jpeg"
        )
        message_id = await blazz.send_image(number, customer, uploaded["id"], "and this")
        await blazz.state(message_id, "delivered")

        def received() -> MessageView | None:
            return next((m for m in network.messages(customer) if m.direction == "in" and m.type == "image"), None)

        message = received()
        assert message is not None
        assert message.body == "and this"
        assert network.media(customer, message.message_id)[0] == picture("blue")
        assert not list((blazz.settings.engine_media_dir / "out").iterdir())
        assert not list((blazz.settings.engine_media_dir / "in").iterdir())


@pytest.mark.kind("typing", "send", "receive", "network")
async def test_typing_is_shown_in_both_directions(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        shows: profiles.Presence = "available_while_inbox_is_open"
        await blazz.database.write(blazz.scope, profiles.set_presence, number.account_id, shows)
        (stored,) = await blazz.messages()
        seen: list[EphemeralEvent] = []
        end = Ephemerals.shared().subscribe(blazz.workspace_id, seen.append)
        try:

            async def typed() -> bool:
                await blazz.commands.watch_chat(number.account_id, stored["author"], stored["chat_id"])
                await network.typing(customer, number.phone, True)
                return any(event.name == "typing" and event.data["state"] == "composing" for event in seen)

            await eventually(typed, what="the customer's typing")
            assert seen[0].data["chat_id"]
        finally:
            end()
        shown_typing = asyncio.Event()

        async def watch() -> None:
            async for event in network.subscribe():
                if event.kind == "typing" and event.number == customer and event.composing:
                    shown_typing.set()
                    return

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        await blazz.instance.commands.typing(number.account_id, f"{customer}@s.whatsapp.net", "composing")
        async with asyncio.timeout(10):
            await shown_typing.wait()
        await watching


@pytest.mark.kind("receipt", "send")
async def test_reading_here_turns_the_customers_ticks_blue(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        (row,) = await blazz.messages()
        await blazz.instance.commands.mark_read(
            number.account_id, row["author"], "", [row["wa_message_id"]], row["timestamp"]
        )
        await eventually(
            lambda: any(
                receipt.state == "read" for message in network.messages(customer) for receipt in message.receipts
            ),
            what="a read receipt on the customer's phone",
        )


async def test_a_restart_brings_numbers_back_without_qr_and_nothing_is_lost(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        blazz = Blazz(tmp_path / "blazz", network)
        await blazz.start()
        number, customer = await conversation(blazz, network)
        await blazz.stop()
        for serial in range(5):
            await network.send_message(customer, number.phone, text(f"while away {serial}"))
        await blazz.start()
        try:
            await blazz.status(number.account_id, "connected")
            await eventually(lambda: _has(blazz, "while away 4"))
            expected = ["hello", *(f"while away {serial}" for serial in range(5))]
            assert await blazz.bodies(from_me=False) == expected
            assert len(await blazz.events("session.qr")) == 1
            reasons = [event["data"].get("reason") for event in await blazz.events("session.disconnected")]
            assert reasons == ["instance_restart"]
            message_id = await blazz.send_text(number, customer, "we are back")
            await blazz.state(message_id, "delivered")
        finally:
            await blazz.stop()


async def test_messages_wait_while_the_number_is_disconnected(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        await blazz.instance.commands.disconnect(number.account_id)
        ids = [await blazz.send_text(number, customer, f"later {serial}") for serial in range(4)]
        await blazz.connect(number.account_id)
        for message_id in ids:
            await blazz.state(message_id, "delivered")
        assert shown(network, customer) == [f"later {serial}" for serial in range(4)]


async def test_a_refused_message_fails_with_whatsapps_reason_and_the_next_goes_out(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        network.add_fault(FaultSpec("refuse_messages", number=number.phone, code="406", count=1))
        refused = await blazz.send_text(number, customer, "no")
        row = await blazz.state(refused, "failed")
        assert row["error_code"] == "refused_406"
        accepted = await blazz.send_text(number, customer, "yes")
        await blazz.state(accepted, "delivered")
        assert shown(network, customer) == ["yes"]


async def test_a_lost_acknowledgement_is_followed_by_the_same_id_again(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        network.add_fault(FaultSpec("lose_acks", number=number.phone, count=1))
        message_id = await blazz.send_text(number, customer, "once")
        await eventually(lambda: shown(network, customer) == ["once"])
        await blazz.state(message_id, "delivered", within_s=60)
        assert shown(network, customer) == ["once"]


async def test_a_number_that_is_not_on_whatsapp_fails_with_that_reason(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number, customer = await conversation(blazz, network)
        message_id = await blazz.send_text(number, "6280000000000", "anybody?")
        await blazz.state(message_id, "failed")
        (row,) = await blazz.messages(messages.c.id == message_id)
        assert row["error_code"] == "recipient_not_on_whatsapp"
        # nobody else waits for it
        other = await blazz.send_text(number, customer, "hello")
        await blazz.state(other, "delivered")
