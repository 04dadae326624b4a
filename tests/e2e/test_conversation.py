"""Conversing: what a customer does appears without a reload, what a person sends reaches the phone once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.support import (
    AYU,
    BUDI,
    BUSINESS,
    CITRA,
    PATIENCE_MS,
    Demo,
    Inbox,
    Phone,
    bubble,
    coffee_picture,
    menu_of,
    tick,
    until,
)

pytestmark = [pytest.mark.browser, pytest.mark.engine]
_MANY = 120


@pytest.fixture(autouse=True, scope="module")
def _a_code_that_nobody_scans(unscanned: Page) -> None:
    """Meanwhile a code waits for its time to run out; see the tests of numbers."""


def see_typing(phone: Phone, where: Locator) -> None:
    """Let somebody type until it is shown: WhatsApp tells it only once our number shows as online."""

    def shown() -> bool:
        phone.typing(True)
        return where.get_by_text("typing…").is_visible()

    until("somebody types", shown)


def test_a_message_typed_on_a_phone_appears_by_itself(inbox: Inbox, demo: Demo) -> None:
    inbox.open_chat("Ayu Lestari")
    budi, citra = demo.phone(BUDI), demo.phone(CITRA)

    see_typing(budi, inbox.chat("Budi Santoso"))
    budi.write("Are you open on Sunday?")

    newest = inbox.chats.get_by_role("link").first
    expect(newest).to_contain_text("Budi Santoso")
    expect(newest).to_contain_text("Are you open on Sunday?")
    expect(newest.get_by_text("typing…")).to_have_count(0)
    expect(newest.get_by_label(re.compile(r"^\d+ unread messages?$"))).to_be_visible()

    citra.write("Any news of my order?")
    expect(inbox.chats.get_by_role("link").first).to_contain_text("Citra Dewi")


@pytest.mark.kind("typing", "page")
def test_typing_is_shown_in_the_open_conversation(inbox: Inbox, demo: Demo) -> None:
    conversation = inbox.open_chat("Budi Santoso")
    budi = demo.phone(BUDI)

    see_typing(budi, conversation)
    budi.typing(False)
    expect(conversation.get_by_text("typing…")).to_have_count(0)


@pytest.mark.kind("receipt", "page")
def test_a_reply_shows_at_once_and_its_ticks_follow_the_phone(inbox: Inbox, demo: Demo) -> None:
    budi = demo.phone(BUDI)
    conversation = inbox.open_chat("Budi Santoso")
    reply = bubble(conversation, "Yes, from eight to four.")

    budi.online(False)
    inbox.reply("Yes, from eight to four.")
    expect(reply).to_be_visible(timeout=1_000)
    expect(tick(reply, "Sent")).to_be_visible()
    budi.online(True)
    expect(tick(reply, "Delivered")).to_be_visible()
    expect(tick(inbox.chat("Budi Santoso"), "Delivered")).to_be_visible()
    budi.read()

    expect(tick(reply, "Read")).to_be_visible()
    expect(reply).to_have_count(1)
    menu_of(reply, "Message info")
    expect(inbox.page.get_by_test_id("message-info").get_by_role("term")).to_contain_text(["Sent", "Delivered", "Read"])
    assert budi.sees("Yes, from eight to four.")["deliveries"] == 1


def test_a_picture_from_the_customer_opens_large(inbox: Inbox, demo: Demo) -> None:
    conversation = inbox.open_chat("Citra Dewi")
    page = inbox.page

    demo.phone(CITRA).send_picture(coffee_picture(), "This is what I ordered")

    message = conversation.get_by_role("article").filter(has_text="This is what I ordered")
    thumbnail = message.get_by_role("img", name="This is what I ordered")
    expect(thumbnail).to_be_visible()
    until("the picture is drawn", lambda: bool(thumbnail.evaluate("image => image.naturalWidth > 0")))
    message.get_by_role("button", name="Open the picture").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.get_by_role("img", name="This is what I ordered")).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_a_picture_to_the_customer_arrives_with_its_caption(inbox: Inbox, demo: Demo) -> None:
    citra = demo.phone(CITRA)
    conversation = inbox.open_chat("Citra Dewi")
    page = inbox.page

    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach", exact=True).click()
        page.get_by_role("menuitem", name="Picture", exact=True).click()
    chooser.value.set_files({"name": "label.jpg", "mimeType": "image/jpeg", "buffer": coffee_picture(320, 240)})
    expect(page.get_by_role("img", name="Picture to send")).to_be_visible()
    inbox.reply("Is this the label?")

    expect(tick(bubble(conversation, "Is this the label?"), "Delivered")).to_be_visible()
    arrived = citra.sees("Is this the label?")
    assert arrived["type"] == "image"
    assert (arrived["media"]["width"], arrived["media"]["height"]) == (320, 240)
    assert citra.picture(arrived["message_id"]).startswith(b"\xff\xd8\xff")


def test_a_file_that_is_no_picture_is_refused_before_it_leaves(inbox: Inbox) -> None:
    inbox.open_chat("Citra Dewi")
    page = inbox.page

    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach", exact=True).click()
        page.get_by_role("menuitem", name="Picture", exact=True).click()
    chooser.value.set_files({"name": "page.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"})

    expect(page.get_by_role("alert")).to_contain_text("Only JPEG, PNG, WebP and GIF pictures can be sent.")


@pytest.mark.kind("reply", "page")
def test_a_reply_quotes_what_it_answers(inbox: Inbox, demo: Demo) -> None:
    citra = demo.phone(CITRA)
    conversation = inbox.open_chat("Citra Dewi")
    question = bubble(conversation, "My order 1042 has not arrived yet.")

    question.hover()
    question.locator("xpath=..").get_by_role("button", name="Reply", exact=True).click()
    inbox.reply("It leaves tomorrow morning.")

    answer = bubble(conversation, "It leaves tomorrow morning.")
    expect(answer.get_by_role("button", name="My order 1042 has not arrived yet.")).to_be_visible()
    original = next(m for m in citra.shown() if m["body"] == "My order 1042 has not arrived yet.")
    assert citra.sees("It leaves tomorrow morning.")["reply_to"] == original["message_id"]


def test_a_chat_with_a_new_number(inbox: Inbox, demo: Demo) -> None:
    eka = demo.phone("628110000201", "Eka Putri")
    page = inbox.page

    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="New chat")
    dialog.get_by_label("To").fill("+62 811 0000 201")
    dialog.get_by_label("Message").fill("Your table is ready.")
    dialog.get_by_role("button", name="Send").click()

    expect(dialog).to_have_count(0)
    expect(page.get_by_role("log").get_by_role("article")).to_contain_text("Your table is ready.")
    eka.sees("Your table is ready.")
    eka.write("On my way!")
    expect(inbox.chat("Eka Putri")).to_contain_text("On my way!")


def test_search_and_the_unread_filter_narrow_the_list(inbox: Inbox, demo: Demo) -> None:
    search = inbox.page.get_by_role("searchbox", name="Search chats")

    search.fill("citra")
    expect(inbox.chats.get_by_role("link")).to_have_count(1)
    expect(inbox.chat("Citra Dewi")).to_be_visible()
    search.fill("nobody of this name")
    expect(inbox.page.get_by_role("heading", name="Nothing found")).to_be_visible()
    inbox.page.get_by_role("button", name="Clear the filters").click()
    expect(inbox.chat("Ayu Lestari")).to_be_visible()

    inbox.open_chat("Ayu Lestari")
    demo.phone(BUDI).write("One more question.")
    expect(inbox.chat("Budi Santoso")).to_contain_text("One more question.")
    inbox.page.get_by_role("button", name="Unread", exact=True).click()
    expect(inbox.chat("Ayu Lestari")).to_have_count(0)
    expect(inbox.chat("Budi Santoso")).to_be_visible()


def test_older_messages_load_above_what_is_being_read(inbox: Inbox, demo: Demo) -> None:
    dian = demo.phone("628110000202", "Dian Pratama")
    for index in range(1, _MANY + 1):
        dian.write(f"Line {index} of {_MANY}")
    expect(inbox.chat("Dian Pratama")).to_contain_text(f"Line {_MANY} of {_MANY}", timeout=PATIENCE_MS)
    conversation = inbox.open_chat("Dian Pratama")
    expect(bubble(conversation, f"Line {_MANY} of {_MANY}")).to_be_in_viewport()

    first_page = conversation.get_by_role("article").count()
    assert first_page < _MANY
    reached = _scroll_to_oldest_and_watch(inbox.page)

    assert abs(reached["after"] - reached["before"]) < 2, "what is being read stays where it is"
    oldest = bubble(conversation, f"Line 1 of {_MANY}")
    conversation.hover()

    def at_the_beginning() -> bool:
        inbox.page.mouse.wheel(0, -4000)
        return oldest.count() == 1 and oldest.is_visible()

    until("the oldest message", at_the_beginning)
    expect(conversation.get_by_role("article")).to_have_count(_MANY)
    inbox.page.get_by_role("button", name="Jump to the newest message").click()
    expect(bubble(conversation, f"Line {_MANY} of {_MANY}")).to_be_in_viewport()


def _scroll_to_oldest_and_watch(page: Page) -> dict[str, float]:
    """Scroll to the first loaded message; returns its distance from the list's top before and after older ones came."""
    return page.evaluate(  # type: ignore[no-any-return]
        """async () => {
            const list = document.querySelector('[role=log]')
            const count = () => list.querySelectorAll('article').length
            const first = list.querySelector('article')
            const top = () => first.getBoundingClientRect().top - list.getBoundingClientRect().top
            const loaded = count()
            list.scrollTop = -(list.scrollHeight - list.clientHeight) + 100
            await new Promise(requestAnimationFrame)
            const before = top()
            while (count() === loaded) await new Promise(requestAnimationFrame)
            await new Promise(requestAnimationFrame)
            await new Promise(requestAnimationFrame)
            return { before, after: top() }
        }"""
    )


def test_a_number_that_is_not_on_whatsapp_is_told_before_anything_is_sent(inbox: Inbox) -> None:
    page = inbox.page

    page.get_by_role("button", name="New chat").first.click()
    dialog = page.get_by_role("dialog", name="New chat")
    dialog.get_by_label("To").fill("+62 811 9999 999")
    dialog.get_by_label("Message").fill("Is anybody there?")
    dialog.get_by_role("button", name="Send").click()

    expect(dialog.get_by_role("alert")).to_contain_text("This number is not on WhatsApp.")
    expect(dialog.get_by_label("Message")).to_have_value("Is anybody there?")


def test_what_the_owner_writes_on_the_phone_itself_is_shown_too(inbox: Inbox, demo: Demo) -> None:
    conversation = inbox.open_chat("Ayu Lestari")

    demo.phone(BUSINESS).write("See you at five, Ayu.", to=AYU)

    message = bubble(conversation, "See you at five, Ayu.")
    expect(message).to_be_visible()
    expect(message).to_contain_text("From the phone")
