"""Files in the browser: players for what customers send, and every way of sending one, a recorded voice note too."""

from __future__ import annotations

import base64
import re
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.axe import violations
from tests.e2e.pictures import screenshot
from tests.e2e.support import Demo, Inbox, Phone, coffee_picture, tick, until
from tests.media import samples

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def _file(content: bytes, **fields: Any) -> dict[str, Any]:
    return {"base64": base64.b64encode(content).decode(), **fields}


def _attach(inbox: Inbox, kind: str, name: str, mime: str, content: bytes) -> Locator:
    page = inbox.page
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach", exact=True).click()
        page.get_by_role("menuitem", name=kind, exact=True).click()
    chooser.value.set_files({"name": name, "mimeType": mime, "buffer": content})
    return page.get_by_test_id("attachment")


def _captioned(caption: str, message: dict[str, Any]) -> bool:
    return bool(message["body"] == caption)


def _arrived(phone: Phone, kind: str, **details: Any) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        return next(
            (
                message
                for message in phone.shown()
                if message["direction"] == "in"
                and message["type"] == kind
                and all(message["details"].get(name) == value for name, value in details.items())
            ),
            None,
        )

    message = until(f"a {kind} with {details} arrives", found)
    assert message is not None
    return message


@pytest.mark.kind("image", "page")
@pytest.mark.kind("video", "page")
@pytest.mark.kind("gif", "page")
@pytest.mark.kind("video_note", "page")
@pytest.mark.kind("audio", "page")
@pytest.mark.kind("voice", "page")
@pytest.mark.kind("document", "page")
@pytest.mark.kind("sticker", "page")
def test_what_customers_send_can_be_seen_heard_and_opened(inbox: Inbox, demo: Demo) -> None:
    gita = demo.phone("628110000206", "Gita Lestari")
    wave = [abs(32 - n) * 3 for n in range(64)]
    gita.write("Here is everything")
    conversation = inbox.open_chat("Gita Lestari")
    gita.send("video", _file(samples.video(), caption="Our shop", seconds=1, width=320, height=180))
    gita.send("video", _file(samples.video(silent=True), animated=True, width=320, height=180))
    gita.send("video", _file(samples.video((180, 180)), note=True, seconds=1))
    gita.send("audio", _file(samples.sound(2.0, form="ogg"), voice=True, seconds=2, waveform=wave))
    gita.send("document", _file(samples.archive("a.txt"), filename="Price list.zip", mimetype="application/zip"))
    gita.send("sticker", _file(samples.picture("WEBP", (512, 512))))
    gita.send_picture(coffee_picture(), "and a picture")

    expect(conversation.get_by_test_id("message-video")).to_have_count(3)
    loop = conversation.get_by_label("Animated picture").first
    until("the loop plays", lambda: bool(loop.evaluate("video => !video.paused && video.muted")))
    document = conversation.get_by_test_id("message-document")
    expect(document).to_contain_text("Price list.zip")
    expect(document).to_have_attribute("href", re.compile(r"^/api/v1/media/"))
    sticker = conversation.get_by_test_id("message-sticker")
    until("the sticker is drawn", lambda: bool(sticker.evaluate("image => image.naturalWidth > 0")))

    voice = conversation.get_by_role("group", name="Voice note")
    expect(voice).to_contain_text("0:02")
    voice.get_by_role("button", name="Speed: 1×").click()
    expect(voice.get_by_role("button", name="Speed: 1.5×")).to_be_visible()
    voice.get_by_role("button", name="Play").click()
    sound = voice.locator("audio")
    until("it is heard", lambda: bool(sound.evaluate("audio => audio.currentTime > 0")))
    until("to its end", lambda: bool(sound.evaluate("audio => audio.paused && audio.currentTime === 0")))
    expect(conversation.get_by_test_id("media-state")).to_have_count(0)
    assert violations(inbox.page) == []
    screenshot(inbox.page, "inbox-media")


def test_every_way_of_sending_a_file_reaches_the_phone(inbox: Inbox, demo: Demo) -> None:
    hadi = demo.phone("628110000207", "Hadi Wijaya")
    hadi.write("Please send me everything")
    conversation = inbox.open_chat("Hadi Wijaya")
    page = inbox.page

    _attach(inbox, "Video", "film.webm", "video/webm", samples.video(codec="libvpx", form="webm"))
    inbox.reply("Our film")
    assert _arrived(hadi, "video")["body"] == "Our film"
    _attach(inbox, "Animated picture (GIF)", "loop.gif", "image/gif", samples.animation())
    page.get_by_role("button", name="Send", exact=True).click()
    _arrived(hadi, "video", animated=True)
    _attach(inbox, "Sticker", "fun.png", "image/png", samples.picture("PNG"))
    page.get_by_role("button", name="Send", exact=True).click()
    _arrived(hadi, "sticker")
    shown = _attach(inbox, "Picture", "secret.jpg", "image/jpeg", samples.picture())
    shown.get_by_role("switch", name="View once").click()
    page.get_by_role("button", name="Send", exact=True).click()
    _arrived(hadi, "image", view_once=True)

    page.get_by_role("button", name="Record a voice note").click()
    recorder = page.get_by_role("group", name="Recording a voice note")
    expect(recorder.get_by_role("timer")).to_have_text("0:01")
    recorder.get_by_role("button", name="Throw the recording away").click()
    expect(page.get_by_test_id("composer")).to_be_visible()
    page.get_by_role("button", name="Record a voice note").click()
    expect(recorder.get_by_role("timer")).to_have_text("0:01")
    recorder.get_by_role("button", name="Send the voice note").click()
    voice = _arrived(hadi, "audio", voice=True)
    assert len(voice["details"]["waveform"]) == 64
    assert hadi.picture(voice["message_id"]).startswith(b"OggS")
    expect(conversation.get_by_role("group", name="Voice note").get_by_role("button", name="Play")).to_be_enabled()

    shown = _attach(inbox, "Video", "words.txt", "text/plain", b"words")
    expect(page.get_by_role("alert")).to_contain_text("This file is no video")
    expect(shown).to_have_count(0)


@pytest.mark.kind("edit", "page")
def test_a_caption_is_written_and_changed_where_texts_are(inbox: Inbox, demo: Demo) -> None:
    intan = demo.phone("628110000208", "Intan Permata")
    intan.write("Do you have a picture?")
    conversation = inbox.open_chat("Intan Permata")
    _attach(inbox, "Picture", "shop.jpg", "image/jpeg", samples.picture())
    inbox.page.get_by_role("button", name="Send", exact=True).click()
    picture = _arrived(intan, "image")["message_id"]
    mine = conversation.get_by_role("article").filter(has=inbox.page.get_by_test_id("message-picture"))
    expect(tick(mine, "Delivered")).to_be_visible()
    for before, caption in (("", "Our shpo"), ("Our shpo", "Our shop")):
        mine.hover()
        mine.locator("xpath=..").get_by_role("button", name="More actions", exact=True).click()
        inbox.page.get_by_role("menuitem", name="Edit", exact=True).click()
        expect(inbox.composer).to_have_value(before)
        inbox.reply(caption)
        expect(mine).to_contain_text(caption)
        intan.shows(picture, "the caption", partial(_captioned, caption))
    expect(mine).to_contain_text("edited")
