"""Files of every kind both ways: made into what WhatsApp wants, shown as what they are, fetched again when lost."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError
from blazz.media import service as media
from blazz.media import worker as media_worker
from blazz.media.tables import media as media_table
from blazz.messaging import views
from blazz.messaging.tables import messages
from blazz.sessions import previews
from tests.media import samples
from tests.support.hosting import hosting, local, reply
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, text
from tests.support.waiting import eventually
from whatsim.language import EditContent, ForwardContent
from whatsim.model import FaultSpec, FileContent, ImageContent, MessageView
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
OPUS = "audio/ogg; codecs=opus"
WAVE = tuple(range(36, 100))


class Talk:
    """A number and a customer who have a chat."""

    def __init__(self, blazz: Blazz, network: Network, number: Number, customer: str) -> None:
        self.blazz, self.network, self.number, self.customer = blazz, network, number, customer

    async def upload(self, content: bytes, name: str) -> uuid.UUID:
        async def body() -> AsyncIterator[bytes]:
            yield content

        blazz = self.blazz
        row = await media.upload(blazz.database, blazz.media_store, blazz.settings, blazz.scope, body(), name, None)
        return uuid.UUID(str(row["id"]))

    async def send(self, kind: str, content: bytes, name: str, **fields: Any) -> MessageView:
        """Send a file and return it as the customer's phone shows it."""
        media_id = await self.upload(content, name)
        return await self.shown(await self.blazz.send(self.number, self.customer, kind, id=str(media_id), **fields))

    async def shown(self, message_id: uuid.UUID) -> MessageView:
        row = await self.blazz.state(message_id, "delivered")
        return next(
            message
            for message in self.network.messages(self.customer, limit=1000)
            if message.message_id == row["wa_message_id"]
        )

    def file(self, message: MessageView) -> bytes:
        return self.network.media(self.customer, message.message_id)[0]

    async def receive(self, content: FileContent | ImageContent | ForwardContent) -> RowMapping:
        """Have the customer send a file; returns the stored message once its file is here."""
        known = {row["id"] for row in await self.blazz.messages()}
        await self.network.send_message(self.customer, self.number.phone, content)

        async def arrived() -> RowMapping | None:
            rows = [row for row in await self.blazz.messages(messages.c.from_me.is_(False)) if row["id"] not in known]
            return rows[0] if rows and (await self.media_row(rows[0]))["status"] == "completed" else None

        found = await eventually(arrived, what="the file")
        assert found is not None
        return found

    async def media_row(self, message: RowMapping) -> RowMapping:
        return (await self.blazz.rows(media_table, media_table.c.id == message["media_id"]))[0]

    async def view(self, message: RowMapping) -> dict[str, Any]:
        """What the API shows of a message's file."""

        def read(tx: Tx) -> dict[str, Any]:
            (shown,) = views.message_views(tx, [message])
            return dict(shown.model_dump()[message["kind"]])

        return await self.blazz.database.read(self.blazz.scope, read)


@pytest.fixture
async def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    for module in (media_worker, previews):
        monkeypatch.setattr(module, "Fetcher", local)
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone(name="Budi")).number
        await network.send_message(customer, number.phone, text("hello"))
        await eventually(lambda: blazz.bodies(from_me=False), what="the first message")
        yield Talk(blazz, network, number, customer)


@pytest.mark.kind("image", "send")
@pytest.mark.kind("video", "send")
@pytest.mark.kind("gif", "send")
@pytest.mark.kind("video_note", "send")
@pytest.mark.kind("audio", "send")
@pytest.mark.kind("voice", "send")
@pytest.mark.kind("document", "send")
@pytest.mark.kind("sticker", "send")
@pytest.mark.kind("view_once", "send")
async def test_files_of_every_kind_arrive_as_whatsapp_wants_them(talk: Talk) -> None:
    voice = await talk.send("audio", samples.sound(2.0), "note.webm", voice=True)
    assert (voice.details["seconds"], voice.details["voice"], len(voice.details["waveform"])) == (2, True, 64)
    assert talk.file(voice).startswith(b"OggS")
    sound = await talk.send("audio", samples.sound(1.0, codec="aac", form="mp4"), "song.m4a")
    assert (sound.details, talk.file(sound)) == ({"seconds": 1}, samples.sound(1.0, codec="aac", form="mp4"))
    film = await talk.send("video", samples.video(codec="libvpx", form="webm"), "film.webm", caption="look")
    assert (film.body, film.details) == ("look", {"seconds": 1, "has_thumbnail": True})
    assert film.media is not None
    assert (film.media.mimetype, film.media.width, film.media.height) == ("video/mp4", 320, 180)
    loop = await talk.send("video", samples.animation(), "loop.gif", animated=True)
    assert loop.details["animated"]
    assert talk.file(loop)[4:8] == b"ftyp"
    note = await talk.send("video", samples.video(), "note.mp4", note=True)
    assert note.details["note"]
    sticker = await talk.send("sticker", samples.animation(), "fun.gif")
    assert (sticker.type, sticker.details) == ("sticker", {"animated": True})
    assert talk.file(sticker)[8:12] == b"WEBP"
    once = await talk.send("image", samples.picture(orientation=6), "secret.jpg", view_once=True)
    assert once.details["view_once"]
    assert once.media is not None
    assert (once.media.width, once.media.height) == (400, 640)
    document = await talk.send("document", samples.archive("a.txt"), "a.zip", filename="Everything.zip")
    assert document.media is not None
    assert document.media.filename == "Everything.zip"
    assert talk.file(document) == samples.archive("a.txt")


@pytest.mark.kind("image", "receive")
@pytest.mark.kind("video", "receive")
@pytest.mark.kind("gif", "receive")
@pytest.mark.kind("video_note", "receive")
@pytest.mark.kind("audio", "receive")
@pytest.mark.kind("voice", "receive")
@pytest.mark.kind("document", "receive")
@pytest.mark.kind("sticker", "receive")
async def test_files_of_every_kind_are_received_with_what_they_tell_of_themselves(talk: Talk) -> None:
    voice = await talk.receive(
        FileContent("audio", samples.sound(1.0, form="ogg"), OPUS, seconds=1, waveform=WAVE, voice=True)
    )
    shown = await talk.view(voice)
    assert (shown["voice"], shown["seconds"], shown["waveform"]) == (True, 1, list(WAVE))
    loop = await talk.receive(
        FileContent(
            "video", samples.video(silent=True), "video/mp4", "wow", seconds=1, width=320, height=180, animated=True
        )
    )
    shown = await talk.view(loop)
    assert (loop["body"], shown["animated"], shown["width"]) == ("wow", True, 320)
    note = await talk.receive(FileContent("video", samples.video(), "video/mp4", note=True))
    assert (await talk.view(note))["note"]
    sticker = await talk.receive(
        FileContent("sticker", samples.animation((512, 512), 3, "WEBP"), "image/webp", animated=True)
    )
    assert (sticker["kind"], (await talk.view(sticker))["animated"]) == ("sticker", True)
    document = await talk.receive(FileContent("document", samples.PDF, "application/pdf", filename="offer.pdf"))
    assert (await talk.view(document))["filename"] == "offer.pdf"
    once = await talk.receive(FileContent("audio", samples.sound(1.0, form="ogg"), OPUS, voice=True, view_once=True))
    assert once["content"]["context"]["view_once"]


@pytest.mark.kind("edit", "send")
async def test_a_caption_of_ours_is_edited_on_the_customers_phone(talk: Talk) -> None:
    files = {"image": (samples.picture(), "a.jpg"), "document": (samples.PDF, "a.pdf")}
    for kind, (content, name) in files.items():
        media_id = await talk.upload(content, name)
        file = await talk.blazz.send(talk.number, talk.customer, kind, id=str(media_id), caption="tpyo")
        assert (await talk.shown(file)).body == "tpyo"
        change = {"message_id": str(file), "text": {"body": "typo"}}
        await talk.shown(await talk.blazz.send(talk.number, talk.customer, "edit", **change))
        seen = await talk.shown(file)
        assert (seen.type, seen.body, seen.edited, talk.file(seen)) == (kind, "typo", True, content)


@pytest.mark.kind("edit", "receive")
@pytest.mark.kind("edit", "network")
async def test_a_caption_that_a_customer_edits_is_shown(talk: Talk) -> None:
    sent = await talk.receive(ImageContent(samples.picture(), caption="tpyo"))
    edit = EditContent(sent["wa_message_id"], "typo")
    await talk.network.send_message(talk.customer, talk.number.phone, edit)

    async def edited() -> bool:
        (now,) = await talk.blazz.messages_of(sent["id"])
        return now["edited_at"] is not None and (await talk.view(now))["caption"] == "typo"

    await eventually(edited, what="the new caption")


async def test_a_file_that_the_media_host_has_dropped_is_asked_from_the_phone(talk: Talk) -> None:
    content = samples.picture()
    talk.network.add_fault(FaultSpec("silence", number=talk.number.phone))
    await talk.network.send_message(talk.customer, talk.number.phone, ImageContent(content))
    talk.network.add_fault(FaultSpec("expire_media"))
    talk.network.clear_faults()

    async def arrived() -> bool:
        rows = await talk.blazz.rows(media_table)
        return bool(rows) and rows[0]["status"] == "completed"

    await eventually(arrived, what="the file, uploaded again")
    (row,) = await talk.blazz.rows(media_table)
    assert await talk.blazz.media_store.read(row["path"]) == content


async def test_a_file_can_be_sent_by_its_address_and_fails_with_the_reason(talk: Talk) -> None:
    answers = {"/cat.png": reply(samples.picture("PNG")), "/page": reply(b"<html>"), "/gone": reply(status="404 No")}
    async with hosting(lambda path: answers[path]) as host:
        cat = await talk.shown(await talk.blazz.send(talk.number, talk.customer, "image", link=host.url("/cat.png")))
        assert cat.media is not None
        assert cat.media.width == 640
        for path, word in (("/page", "Web pages"), ("/gone", "404")):
            failed = await talk.blazz.send(talk.number, talk.customer, "image", link=host.url(path))
            row = await talk.blazz.state(failed, "failed")
            assert row["error_code"] == "media_failed"
            assert word in row["error_detail"]
        inside = await talk.blazz.send(talk.number, talk.customer, "document", link="http://10.0.0.1/a.pdf")
        assert "public internet" in (await talk.blazz.state(inside, "failed"))["error_detail"]


@pytest.mark.kind("link_preview", "send")
@pytest.mark.kind("link_preview", "network")
async def test_a_text_shows_what_it_links_to_unless_the_host_is_slow_or_hostile(talk: Talk) -> None:
    page = b'<html><head><title>Plain</title><meta property="og:title" content="A &amp; B">'
    page += b'<meta name="description" content="All of it"><meta property="og:image" content="/a.jpg"></head>'
    answers = {
        "/": reply(page, Content_Type="text/html; charset=utf-8"),
        "/a.jpg": reply(samples.picture(size=(200, 160))),
        "/bomb": reply(page.replace(b"/a.jpg", b"/huge"), Content_Type="text/html"),
        "/huge": reply(samples.huge_png()),
        "/inside": reply(b"", "302 Found", Location="http://10.0.0.1/"),
    }
    async with hosting(lambda path: answers[path]) as host:

        async def preview(path: str) -> tuple[MessageView, dict[str, Any] | None]:
            body = f"See {host.url(path)}."
            message_id = await talk.blazz.send(talk.number, talk.customer, "text", body=body, preview_url=True)
            shown = await talk.shown(message_id)
            assert shown.body == body
            (row,) = await talk.blazz.messages_of(message_id)
            return shown, (await talk.view(row))["preview"]

        shown, stored = await preview("/")
        assert shown.details == {"link": host.url("/"), "title": "A & B", "has_picture": True}
        assert stored is not None
        assert (stored["description"], stored["thumbnail"][:23]) == ("All of it", "data:image/jpeg;base64,")
        assert stored["picture"] is None, "a logo stays small"
        shown, _ = await preview("/bomb")
        assert (shown.details["title"], shown.details["has_picture"]) == ("A & B", False)
        shown, stored = await preview("/inside")
        assert "link" not in shown.details
        assert stored is None


@pytest.mark.kind("link_preview", "send")
@pytest.mark.kind("link_preview", "receive")
async def test_the_large_picture_of_a_link_goes_both_ways(talk: Talk) -> None:
    page = b'<html><head><title>Menu</title><meta property="og:image" content="/a.jpg"></head>'
    answers = {"/": reply(page, Content_Type="text/html"), "/a.jpg": reply(samples.picture(size=(1200, 630)))}
    async with hosting(lambda path: answers[path]) as host:
        body = f"Today: {host.url('/')}"
        ours = await talk.blazz.send(talk.number, talk.customer, "text", body=body, preview_url=True)
        seen = await talk.shown(ours)
    assert seen.media is not None
    assert (seen.media.mimetype, seen.media.width, seen.media.height) == ("image/jpeg", 1024, 538)
    large = talk.file(seen)
    assert large.startswith(b"\xff\xd8")
    (row,) = await talk.blazz.messages_of(ours)
    kept = await talk.media_row(row)
    assert await talk.blazz.media_store.read(kept["path"]) == large
    picture = (await talk.view(row))["preview"]["picture"]
    assert (picture["id"], picture["status"], picture["width"]) == (row["media_id"], "completed", 1024)

    forwarded = await talk.receive(ForwardContent(seen.message_id))
    assert await talk.blazz.media_store.read((await talk.media_row(forwarded))["path"]) == large
    assert (await talk.view(forwarded))["preview"]["picture"]["height"] == 538
    change = {"message_id": str(forwarded["id"])}
    again = await talk.shown(await talk.blazz.send(talk.number, talk.customer, "forward", **change))
    assert (again.body, again.details["has_picture"], again.media) == (body, True, None)


async def test_a_preview_leaves_with_the_small_picture_when_the_large_one_cannot(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise BlazzError("media_store_full", "No room.", 507)

    monkeypatch.setattr(media, "keep", full)
    page = b'<html><head><title>Menu</title><meta property="og:image" content="/a.jpg"></head>'
    answers = {"/": reply(page, Content_Type="text/html"), "/a.jpg": reply(samples.picture())}
    async with hosting(lambda path: answers[path]) as host:
        ours = await talk.blazz.send(talk.number, talk.customer, "text", body=host.url("/"), preview_url=True)
        seen = await talk.shown(ours)
    assert (seen.details["has_picture"], seen.media) == (True, None)
