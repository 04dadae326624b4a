"""Baileys, a client that others wrote, is a customer's linked device: a Blazz number and it understand each other.

The customer's simulated phone stays online beside it, as a real one does. Everything runs on one link, in one process.
"""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import RowMapping

from blazz.media import service as media
from blazz.media.tables import media as media_table
from blazz.messaging.tables import messages
from tests.interop import peer
from tests.interop.peer import Event, Peer
from tests.media import samples
from tests.support.product import Blazz, Number, running
from tests.support.waiting import eventually
from whatsim.model import TextContent
from whatsim.network import Network, NetworkConfig

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.timeout(120)]

PAPER = b"%PDF-1.4\n" + bytes(900) + b"\n%%EOF\n"
BEFORE = "Written before the client was linked"
STATUS_DELIVERED, STATUS_READ = 3, 4


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass
class Conversation:
    """A Blazz number and the other client, each with an address for the other."""

    blazz: Blazz
    network: Network
    number: Number
    customer: str
    peer: Peer
    friend: str

    @property
    def to_us(self) -> str:
        """The address by which the other client knows our number."""
        return f"{self.number.phone}@s.whatsapp.net"

    async def we_send(self, kind: str, content: dict[str, Any], **more: Any) -> tuple[uuid.UUID, Event]:
        """Send through Blazz; returns the message's id and what the other client makes of it."""
        body = {"type": kind, kind: content, **more}
        message_id = await self.blazz._send(self.number, self.customer, body)
        row = await self.row(messages.c.id == message_id)
        return message_id, await self.peer.message(row["wa_message_id"])

    async def they_send(self, **content: Any) -> RowMapping:
        """Have the other client send; returns the row that Blazz stores."""
        key = await self.peer.ask("send", to=self.to_us, content=content)
        return await self.row(messages.c.wa_message_id == key["id"])

    async def row(self, *conditions: Any, when: Callable[[RowMapping], Any] = bool) -> RowMapping:
        """Return a stored message once it is there and `when` holds."""

        async def stored() -> RowMapping | None:
            rows = await self.blazz.messages(*conditions)
            return rows[0] if rows and when(rows[0]) else None

        found = await eventually(stored, what="the stored message")
        assert found is not None
        return found

    async def file(self, row: RowMapping) -> bytes:
        """Return a received file once it is fetched."""

        async def fetched() -> RowMapping | None:
            (found,) = await self.blazz.rows(media_table, media_table.c.id == row["media_id"])
            return found if found["path"] else None

        found = await eventually(fetched, what="the file")
        assert found is not None
        content = await self.blazz.media_store.read(found["path"])
        assert content is not None
        return content

    async def upload(self, content: bytes, name: str, mimetype: str) -> str:
        """Upload a file to Blazz; returns its id."""

        async def body() -> AsyncIterator[bytes]:
            yield content

        store, settings = self.blazz.media_store, self.blazz.settings
        row = await media.upload(self.blazz.database, store, settings, self.blazz.scope, body(), name, mimetype)
        return str(row["id"])


@pytest.fixture(scope="module")
async def chat(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Conversation]:
    """The linked client and the Blazz number, which have exchanged a text already."""
    peer.require_baileys()
    directory: Path = tmp_path_factory.mktemp("baileys")
    words = await peer.dictionary(directory)
    network = await Network.open(NetworkConfig(directory / "network", wire_port=0, dictionaries=(words,)))
    try:
        customer = (await network.create_phone(name="Budi")).number
        friend = (await network.create_phone(name="Ayu")).number
        await network.send_message(friend, customer, TextContent(BEFORE))
        async with running(directory / "blazz", network) as blazz:
            number = await blazz.link()
            async with peer.linked(network, customer) as client:
                yield Conversation(blazz, network, number, customer, client, friend)
    finally:
        await network.close()


async def test_history_comes_with_the_linking(chat: Conversation) -> None:
    told = await chat.peer.event(lambda event: event["event"] == "history" and event["messages"])
    (earlier,) = told["messages"]
    assert _text(earlier) == BEFORE
    assert earlier["key"]["remoteJid"] in (
        f"{chat.friend}@s.whatsapp.net",
        f"{chat.network.get_phone(chat.friend).lid}@lid",
    )


@pytest.mark.kind("text", "baileys")
@pytest.mark.kind("receipt", "baileys")
async def test_texts_and_receipts(chat: Conversation) -> None:
    theirs = await chat.they_send(text="Halo, apakah buka?")
    assert (theirs["kind"], theirs["body"], theirs["from_me"]) == ("text", "Halo, apakah buka?", False)
    await chat.peer.event(lambda event: _status(event, theirs["wa_message_id"]) == STATUS_DELIVERED)
    commands = chat.blazz.instance.commands
    await commands.mark_read(
        chat.number.account_id, theirs["author"], "", [theirs["wa_message_id"]], theirs["timestamp"]
    )
    await chat.peer.event(lambda event: _status(event, theirs["wa_message_id"]) == STATUS_READ)

    ours, seen = await chat.we_send("text", {"body": "Buka sampai jam 22."})
    assert _text(seen) == "Buka sampai jam 22."
    await chat.blazz.state(ours, "delivered")
    await chat.peer.ask("read", keys=[seen["key"]])
    await chat.blazz.state(ours, "read")


@pytest.mark.kind("reply", "baileys")
async def test_replies(chat: Conversation) -> None:
    first, seen = await chat.we_send("text", {"body": "Which size?"})
    answer = await chat.they_send(text="Large", quoted=seen["key"]["id"])
    assert answer["quoted_wa_message_id"] == seen["key"]["id"]
    _, reply = await chat.we_send("text", {"body": "Noted"}, context={"message_id": str(answer["id"])})
    context = reply["message"]["extendedTextMessage"]["contextInfo"]
    assert context["stanzaId"] == answer["wa_message_id"]
    assert context["quotedMessage"]
    assert first != answer["id"]


@pytest.mark.parametrize(
    ("kind", "content", "extra", "upload", "field"),
    [
        pytest.param(
            "image",
            _picture(),
            {"caption": "menu", "mimetype": "image/jpeg", "jpegThumbnail": ""},
            ("menu.jpg", "image/jpeg"),
            "imageMessage",
            marks=pytest.mark.kind("image", "baileys"),
        ),
        pytest.param(
            "audio",
            samples.sound(1.0, form="ogg"),
            {"mimetype": "audio/ogg; codecs=opus", "ptt": True, "seconds": 1},
            ("voice.ogg", "audio/ogg"),
            "audioMessage",
            marks=[pytest.mark.kind("audio", "baileys"), pytest.mark.kind("voice", "baileys")],
        ),
        pytest.param(
            "video",
            samples.video(),
            {"caption": "tour", "mimetype": "video/mp4", "jpegThumbnail": ""},
            ("tour.mp4", "video/mp4"),
            "videoMessage",
            marks=pytest.mark.kind("video", "baileys"),
        ),
        pytest.param(
            "document",
            PAPER,
            {"mimetype": "application/pdf", "fileName": "price.pdf"},
            ("price.pdf", "application/pdf"),
            "documentMessage",
            marks=pytest.mark.kind("document", "baileys"),
        ),
    ],
)
async def test_files(
    chat: Conversation, kind: str, content: bytes, extra: dict[str, Any], upload: tuple[str, str], field: str
) -> None:
    row = await chat.they_send(**{kind: base64.b64encode(content).decode()}, **extra)
    assert row["kind"] == kind
    assert await chat.file(row) == content
    _, seen = await chat.we_send(kind, {"id": await chat.upload(content, *upload)})
    assert seen["kind"] == field
    sent = base64.b64decode(seen["message"][field]["fileSha256"]).hex()
    assert await chat.peer.ask("download", message=seen["key"]["id"]) == sent
    if kind != "video":  # which is converted before it is sent
        assert sent == hashlib.sha256(content).hexdigest()


@pytest.mark.kind("sticker", "baileys")
async def test_stickers(chat: Conversation) -> None:
    content = samples.animation(form="WEBP")
    row = await chat.they_send(sticker=base64.b64encode(content).decode(), mimetype="image/webp")
    assert row["kind"] == "sticker"
    assert await chat.file(row) == content
    _, seen = await chat.we_send("sticker", {"id": await chat.upload(content, "hello.webp", "image/webp")})
    assert seen["kind"] == "stickerMessage"


@pytest.mark.kind("gif", "baileys")
@pytest.mark.kind("video_note", "baileys")
async def test_animated_pictures_and_video_notes(chat: Conversation) -> None:
    film = base64.b64encode(samples.video()).decode()
    looped = await chat.they_send(video=film, mimetype="video/mp4", gifPlayback=True, jpegThumbnail="")
    assert (looped["kind"], looped["content"].get("animated")) == ("video", True)
    note = await chat.they_send(video=film, mimetype="video/mp4", ptv=True, jpegThumbnail="")
    assert (note["kind"], note["content"].get("note")) == ("video", True)
    media_id = await chat.upload(samples.video(), "loop.mp4", "video/mp4")
    _, seen = await chat.we_send("video", {"id": media_id, "animated": True})
    assert seen["message"]["videoMessage"]["gifPlayback"] is True
    _, seen = await chat.we_send("video", {"id": media_id, "note": True})
    assert seen["kind"] == "ptvMessage"


@pytest.mark.kind("view_once", "baileys")
async def test_pictures_to_be_seen_once(chat: Conversation) -> None:
    picture = base64.b64encode(_picture()).decode()
    row = await chat.they_send(image=picture, mimetype="image/jpeg", jpegThumbnail="", viewOnce=True)
    assert (row["kind"], row["content"]["context"]["view_once"]) == ("image", True)
    media_id = await chat.upload(_picture(), "once.jpg", "image/jpeg")
    _, seen = await chat.we_send("image", {"id": media_id, "view_once": True})
    assert "viewOnce" in str(seen["message"])


@pytest.mark.kind("mentions", "baileys")
async def test_mentions(chat: Conversation) -> None:
    row = await chat.they_send(text=f"@{chat.number.phone} look", mentions=[chat.to_us])
    assert chat.number.phone in str(row["content"]["context"]["mentions"])
    _, seen = await chat.we_send("text", {"body": f"@{chat.customer} yes"}, context={"mentions": [f"+{chat.customer}"]})
    assert len(seen["message"]["extendedTextMessage"]["contextInfo"]["mentionedJid"]) == 1


@pytest.mark.kind("forward", "baileys")
async def test_forwarded_messages(chat: Conversation) -> None:
    _, shown = await chat.we_send("text", {"body": "Pass it on"})
    row = await chat.they_send(forward=shown["key"]["id"])
    assert (row["body"], row["from_me"]) == ("Pass it on", False)
    assert row["content"]["context"]["forwarded"]
    source = await chat.they_send(text="And this")
    message_id = await chat.blazz._send(chat.number, chat.customer, _change("forward", source))
    stored = await chat.row(messages.c.id == message_id)
    seen = await chat.peer.message(stored["wa_message_id"])
    assert seen["message"]["extendedTextMessage"]["contextInfo"]["isForwarded"] is True


@pytest.mark.kind("pin", "baileys")
async def test_pinned_messages(chat: Conversation) -> None:
    theirs = await chat.they_send(text="Address: Jalan Senja 1")
    key = {"remoteJid": chat.to_us, "fromMe": True, "id": theirs["wa_message_id"]}
    await chat.peer.ask("send", to=chat.to_us, content={"pin": key, "type": 1, "time": 86400})
    await chat.row(messages.c.id == theirs["id"], when=lambda row: row["pinned_until"])
    pin_id = await chat.blazz._send(chat.number, chat.customer, _change("pin", theirs, pinned=False))
    seen = await chat.peer.message((await chat.row(messages.c.id == pin_id))["wa_message_id"])
    assert seen["message"]["pinInChatMessage"]["type"] == "UNPIN_FOR_ALL"


@pytest.mark.kind("reaction", "baileys")
async def test_reactions_and_their_removal(chat: Conversation) -> None:
    ours, seen = await chat.we_send("text", {"body": "React to me"})
    for emoji in ("👍", ""):
        await chat.peer.ask("send", to=chat.to_us, content={"react": {"text": emoji, "key": seen["key"]}})
        await chat.row(messages.c.id == ours, when=_reacted(emoji))
    theirs = await chat.they_send(text="And to me")
    for emoji in ("🎉", ""):
        await chat.blazz._send(chat.number, chat.customer, _change("reaction", theirs, emoji=emoji))
        await chat.peer.event(_reaction_event(theirs["wa_message_id"], emoji))


@pytest.mark.kind("edit", "baileys")
async def test_edits(chat: Conversation) -> None:
    theirs = await chat.they_send(text="See you at 9")
    key = {"remoteJid": chat.to_us, "fromMe": True, "id": theirs["wa_message_id"]}
    await chat.peer.ask("send", to=chat.to_us, content={"text": "See you at 10", "edit": key})
    await chat.row(messages.c.id == theirs["id"], when=lambda row: row["body"] == "See you at 10" and row["edited_at"])
    ours, seen = await chat.we_send("text", {"body": "At nine"})
    row = await chat.row(messages.c.id == ours)
    await chat.blazz._send(chat.number, chat.customer, _change("edit", row, text={"body": "At ten"}))
    await chat.peer.event(
        lambda event: "At ten" in str(event.get("update", {})) and event["key"]["id"] == seen["key"]["id"]
    )


@pytest.mark.kind("edit", "baileys")
async def test_edits_of_captions(chat: Conversation) -> None:
    picture = {"image": base64.b64encode(_picture()).decode(), "mimetype": "image/jpeg", "jpegThumbnail": ""}
    theirs = await chat.they_send(**picture, caption="Meun")
    key = {"remoteJid": chat.to_us, "fromMe": True, "id": theirs["wa_message_id"]}
    await chat.peer.ask("send", to=chat.to_us, content={**picture, "caption": "Menu", "edit": key})
    await chat.row(messages.c.id == theirs["id"], when=lambda row: row["body"] == "Menu" and row["edited_at"])
    media_id = await chat.upload(_picture(), "menu.jpg", "image/jpeg")
    ours, seen = await chat.we_send("image", {"id": media_id})
    row = await chat.row(messages.c.id == ours)
    await chat.blazz._send(chat.number, chat.customer, _change("edit", row, text={"body": "Our menu"}))
    told = await chat.peer.event(
        lambda event: event.get("update", {}).get("message") and event["key"]["id"] == seen["key"]["id"]
    )
    assert told["update"]["message"]["editedMessage"]["message"]["imageMessage"]["caption"] == "Our menu"


@pytest.mark.kind("delete", "baileys")
async def test_deletions_for_everyone(chat: Conversation) -> None:
    theirs = await chat.they_send(text="Wrong chat")
    key = {"remoteJid": chat.to_us, "fromMe": True, "id": theirs["wa_message_id"]}
    await chat.peer.ask("send", to=chat.to_us, content={"delete": key})
    await chat.row(messages.c.id == theirs["id"], when=lambda row: row["deleted_at"])
    ours, seen = await chat.we_send("text", {"body": "Oops"})
    row = await chat.row(messages.c.id == ours)
    await chat.blazz._send(chat.number, chat.customer, {"type": "delete", "delete": {"message_id": str(row["id"])}})
    await chat.peer.event(
        lambda event: (
            event["event"] == "update"
            and event["key"]["id"] == seen["key"]["id"]
            and event["update"].get("message", "kept") is None
        )
    )


@pytest.mark.kind("poll", "baileys")
@pytest.mark.kind("poll_vote", "baileys")
async def test_polls_and_a_vote(chat: Conversation) -> None:
    """Baileys reads votes and sends none."""
    theirs = await chat.they_send(poll={"name": "Size?", "values": ["S", "M"], "selectableCount": 1})
    assert (theirs["kind"], theirs["body"]) == ("poll", "Size?")
    await chat.blazz._send(chat.number, chat.customer, _change("poll_vote", theirs, options=["M"]))
    voted = await chat.peer.event(lambda event: event["event"] == "update" and event["update"].get("votes"))
    assert [option["name"] for option in voted["update"]["votes"] if option["voters"]] == ["M"]
    _, seen = await chat.we_send("poll", {"question": "Colour?", "options": ["Red", "Blue"], "multiple": True})
    poll = seen["message"][seen["kind"]]
    assert [option["optionName"] for option in poll["options"]] == ["Red", "Blue"]


@pytest.mark.kind("location", "baileys")
async def test_locations(chat: Conversation) -> None:
    row = await chat.they_send(location={"degreesLatitude": -6.2, "degreesLongitude": 106.8, "name": "Monas"})
    assert row["kind"] == "location"
    _, seen = await chat.we_send("location", {"latitude": -6.9, "longitude": 107.6, "name": "Toko"})
    place = seen["message"]["locationMessage"]
    assert (round(place["degreesLatitude"], 4), round(place["degreesLongitude"], 4)) == (-6.9, 107.6)


@pytest.mark.kind("contacts", "baileys")
async def test_contact_cards(chat: Conversation) -> None:
    card = "BEGIN:VCARD\nVERSION:3.0\nFN:Rani\nTEL;type=CELL:+62 811 0000 009\nEND:VCARD"
    row = await chat.they_send(contacts={"displayName": "Rani", "contacts": [{"displayName": "Rani", "vcard": card}]})
    assert row["kind"] == "contacts"
    body = [{"name": {"formatted_name": "Sari"}, "phones": [{"phone": "+628110000010"}]}]
    message_id = await chat.blazz._send(chat.number, chat.customer, {"type": "contacts", "contacts": body})
    seen = await chat.peer.message((await chat.row(messages.c.id == message_id))["wa_message_id"])
    assert "Sari" in seen["message"]["contactMessage"]["vcard"]


@pytest.mark.kind("timer", "baileys")
async def test_timers_of_the_chat(chat: Conversation) -> None:
    row = await chat.they_send(disappearingMessagesInChat=86_400)
    assert (row["kind"], row["content"]["seconds"]) == ("timer", 86_400)
    off = await chat.blazz._send(chat.number, chat.customer, {"type": "timer", "timer": {"seconds": 0}})
    seen = await chat.peer.message((await chat.row(messages.c.id == off))["wa_message_id"])
    assert seen["message"]["protocolMessage"]["type"] == "EPHEMERAL_SETTING"
    assert not seen["message"]["protocolMessage"].get("ephemeralExpiration")


@pytest.mark.kind("link_preview", "baileys")
async def test_link_previews(chat: Conversation) -> None:
    link = "https://toko.example/menu"
    preview = {"canonical-url": link, "matched-text": link, "title": "Menu", "description": "Today's dishes"}
    row = await chat.they_send(text=f"Look: {link}", linkPreview=preview)
    assert (row["kind"], row["body"]) == ("text", f"Look: {link}")
    assert row["content"]["preview"]["title"] == "Menu"


@pytest.mark.kind("unsupported", "baileys")
async def test_kinds_that_blazz_does_not_know(chat: Conversation) -> None:
    row = await chat.they_send(requestPhoneNumber=True)
    assert (row["kind"], row["content"]["kind"]) == ("unsupported", "requestPhoneNumberMessage")


@pytest.mark.kind("group", "baileys")
@pytest.mark.parametrize("addressing", ["pn", "lid"])
async def test_messages_in_a_group(chat: Conversation, addressing: Any) -> None:
    group = await chat.network.groups.create(chat.customer, "Keluarga", [chat.number.phone], addressing)
    key = await chat.peer.ask("send", to=group.jid, content={"text": "Halo semua"})
    theirs = await chat.row(messages.c.wa_message_id == key["id"])
    assert (theirs["kind"], theirs["body"]) == ("text", "Halo semua")
    ours = {"to": str(theirs["chat_id"]), "type": "text", "text": {"body": "Halo kembali"}}
    message_id = await chat.blazz._send(chat.number, chat.customer, ours)
    row = await chat.row(messages.c.id == message_id)
    shown = await chat.peer.message(row["wa_message_id"])
    assert shown["key"]["remoteJid"] == group.jid
    await chat.blazz.state(message_id, "delivered")


@pytest.mark.kind("typing", "baileys")
async def test_typing(chat: Conversation) -> None:
    await chat.we_send("text", {"body": "A chat exists"})
    await chat.peer.ask("watch", of=chat.to_us)
    await chat.blazz.instance.commands.typing(chat.number.account_id, f"{chat.customer}@s.whatsapp.net", "composing")
    await chat.peer.event(lambda event: event["event"] == "presence" and "composing" in str(event["presences"]))


async def test_nothing_was_left_unread_or_unknown(chat: Conversation) -> None:
    """Runs last: no message had to be asked for again, and the network understood every stanza."""
    stats = chat.network.stats()
    assert (stats.decrypt_failures, stats.retry_requests) == (0, 0)
    assert {name: count for name, count in stats.unknown.items() if name != "presence before login"} == {}


def _text(event: Event) -> str:
    content = event["message"]
    text: str = content.get("conversation") or content["extendedTextMessage"]["text"]
    return text


def _status(event: Event, message_id: str) -> int | None:
    if event["event"] != "update" or event["key"]["id"] != message_id:
        return None
    status: int | None = event["update"].get("status")
    return status


def _reacted(emoji: str) -> Callable[[RowMapping], bool]:
    """Return whether a message has this as its one reaction; an empty one is the trace of one that was taken back."""

    def reacted(row: RowMapping) -> bool:
        reactions = (row["extras"] or {}).get("reactions", {})
        return [reaction["emoji"] for reaction in reactions.values()] == [emoji]

    return reacted


def _reaction_event(message_id: str, emoji: str) -> Callable[[Event], bool]:
    def is_it(event: Event) -> bool:
        if event["event"] != "message" or event["kind"] != "reactionMessage":
            return False
        reaction = event["message"]["reactionMessage"]
        return (reaction["key"]["id"], reaction.get("text", "")) == (message_id, emoji)

    return is_it


def _change(kind: str, row: RowMapping, **fields: Any) -> dict[str, Any]:
    return {"type": kind, kind: {"message_id": str(row["id"]), **fields}}
