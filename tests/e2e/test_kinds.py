"""Every kind of message in the browser: what a customer sends is shown, and what a person does reaches the phone."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from tests.e2e.axe import violations
from tests.e2e.conftest import new_context
from tests.e2e.pictures import screenshot
from tests.e2e.support import BUSINESS, Demo, Inbox, Phone, bubble, coffee_picture, starts_with, tick

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def _raw(phone: Phone, message: Message) -> str:
    return phone.send("raw", {"base64": base64.b64encode(message.SerializeToString()).decode()})


def _buttons() -> Message:
    message = Message()
    part = message.buttonsMessage
    part.contentText, part.footerText = "Which size may it be?", "Prices include tax"
    for title in ("Small", "Large"):
        part.buttons.add(buttonID=title).buttonText.displayText = title
    return message


def _act(message: Locator, name: str) -> None:
    """Press a button beside a message."""
    message.hover()
    message.locator("xpath=..").get_by_role("button", name=name, exact=True).click()


def _choose(message: Locator, action: str) -> None:
    """Choose from a message's menu."""
    _act(message, "More actions")
    message.page.get_by_role("menuitem", name=action, exact=True).click()


def _attach(inbox: Inbox, kind: str, dialog: str) -> Locator:
    inbox.page.get_by_role("button", name="Attach", exact=True).click()
    inbox.page.get_by_role("menuitem", name=kind, exact=True).click()
    return inbox.page.get_by_role("dialog", name=dialog)


def _newest(phone: Phone, kind: str) -> dict[str, Any]:
    return [message for message in phone.shown() if message["direction"] == "in" and message["type"] == kind][-1]


@pytest.mark.kind("text", "page")
@pytest.mark.kind("mentions", "page")
@pytest.mark.kind("link_preview", "page")
@pytest.mark.kind("location", "page")
@pytest.mark.kind("live_location", "page")
@pytest.mark.kind("contacts", "page")
@pytest.mark.kind("poll", "page")
@pytest.mark.kind("poll_vote", "page")
@pytest.mark.kind("reaction", "page")
@pytest.mark.kind("edit", "page")
@pytest.mark.kind("delete", "page")
@pytest.mark.kind("forward", "page")
@pytest.mark.kind("pin", "page")
@pytest.mark.kind("timer", "page")
@pytest.mark.kind("system", "page")
@pytest.mark.kind("view_once", "page")
@pytest.mark.kind("interactive", "page")
@pytest.mark.kind("button", "page")
@pytest.mark.kind("unsupported", "page")
def test_whatever_a_customer_sends_is_shown(inbox: Inbox, demo: Demo) -> None:
    fajar = demo.phone("628110000403", "Farid Siregar")
    poll = {"question": "When do you deliver?", "options": ["Monday", "Tuesday"], "multiple": False}
    fajar.write("*Dear* shop,\n- latte\n- ~mocha~\nsee https://beans.example/a_b_c")
    conversation = inbox.open_chat("Farid Siregar")
    notices = conversation.get_by_test_id("notice")

    said = conversation.get_by_role("article").first
    expect(said.locator("strong")).to_have_text("Dear")
    expect(said.get_by_role("listitem")).to_have_text(["latte", "mocha"])
    expect(said.get_by_role("link")).to_have_attribute("rel", re.compile("noopener"))

    fajar.send("text", {"body": f"@{BUSINESS} are you there?", "mentions": [BUSINESS]})
    expect(conversation.get_by_text("@You", exact=True)).to_be_visible()
    linked = Message()
    link = linked.extendedTextMessage
    link.text = link.matchedText = "https://beans.example/gayo"
    link.title, link.description = "Gayo beans", "From the highlands"
    _raw(fajar, linked)
    expect(conversation.get_by_test_id("link-preview")).to_contain_text("Gayo beans")

    fajar.send("location", {"latitude": -6.17539, "longitude": 106.82715, "name": "Monas", "address": "Gambir"})
    expect(conversation.get_by_role("link", name="Open Monas on a map")).to_contain_text("-6.17539, 106.82715")
    fajar.send("location", {"latitude": -6.2, "longitude": 106.8, "live": True})
    expect(conversation.get_by_text("Live location", exact=True)).to_be_visible()
    fajar.send("contacts", {"cards": [{"name": "Gita Savitri", "number": "628110000499"}]})
    expect(conversation.get_by_role("link", name="Message Gita Savitri")).to_be_visible()
    asked = fajar.send("poll", poll)
    monday = conversation.get_by_role("radio", name=starts_with("Monday"))
    fajar.send("poll_vote", {"message_id": asked, "options": ["Monday"]})
    expect(monday).to_have_accessible_name("Monday, 1 vote")
    fajar.send("image", {"base64": base64.b64encode(coffee_picture(160, 120)).decode(), "view_once": True})
    expect(conversation.get_by_text("View once", exact=True)).to_be_visible()

    typed = fajar.send("text", {"body": "Two bgas, please."})
    wrong = bubble(conversation, "Two bgas, please.")
    expect(wrong).to_be_visible()
    fajar.send("edit", {"message_id": typed, "body": "Two bags, please."})
    right = bubble(conversation, "Two bags, please.")
    expect(right).to_contain_text("edited")
    fajar.send("pin", {"message_id": typed})
    expect(inbox.page.get_by_test_id("pinned")).to_contain_text("Two bags, please.")
    passed_on = Message()
    passed_on.extendedTextMessage.text = "Coffee is good for you."
    passed_on.extendedTextMessage.contextInfo.isForwarded = True
    passed_on.extendedTextMessage.contextInfo.forwardingScore = 1
    _raw(fajar, passed_on)
    expect(bubble(conversation, "Coffee is good for you.")).to_contain_text("Forwarded")
    regretted = fajar.send("text", {"body": "Never mind."})
    expect(bubble(conversation, "Never mind.")).to_be_visible()
    fajar.send("delete", {"message_id": regretted})
    expect(conversation.get_by_text("This message was deleted")).to_be_visible()
    expect(conversation.get_by_text("Never mind.")).to_have_count(0)

    inbox.reply("Two bags are ready.")
    answer = bubble(conversation, "Two bags are ready.")
    expect(tick(answer, "Delivered")).to_be_visible()
    fajar.send("reaction", {"message_id": fajar.sees("Two bags are ready.")["message_id"], "emoji": "👍"})
    expect(conversation.get_by_role("button", name="Reactions: 👍 1")).to_be_visible()
    fajar.send("timer", {"seconds": 604_800})
    expect(notices.get_by_text("Farid Siregar set messages to disappear after 7 days.")).to_be_visible()

    _raw(fajar, _buttons())
    expect(conversation.get_by_role("list", name="Buttons").get_by_role("listitem")).to_have_text(["Small", "Large"])
    tapped = Message()
    tapped.templateButtonReplyMessage.selectedID, tapped.templateButtonReplyMessage.selectedDisplayText = "l", "Large"
    _raw(fajar, tapped)
    expect(conversation.get_by_test_id("answer").filter(has_text="Large")).to_be_visible()
    event = Message()
    event.eventMessage.name = "Tasting"
    _raw(fajar, event)
    expect(conversation.get_by_test_id("unsupported")).to_contain_text("An event. It can be answered on the phone.")
    expect(conversation.get_by_test_id("unsupported")).to_contain_text("Tasting")

    expect(inbox.chats.get_by_role("link").first).to_contain_text("Farid Siregar")
    screenshot(inbox.page, "kinds")
    assert violations(inbox.page) == []


@pytest.mark.kind("reaction", "page")
@pytest.mark.kind("poll", "page")
@pytest.mark.kind("poll_vote", "page")
@pytest.mark.kind("location", "page")
@pytest.mark.kind("contacts", "page")
@pytest.mark.kind("edit", "page")
@pytest.mark.kind("delete", "page")
@pytest.mark.kind("delete_for_me", "page")
@pytest.mark.kind("forward", "page")
@pytest.mark.kind("pin", "page")
@pytest.mark.kind("star", "page")
@pytest.mark.kind("timer", "page")
def test_whatever_a_person_does_reaches_the_phone(inbox: Inbox, demo: Demo) -> None:
    hana, ivan = demo.phone("628110000404", "Hana Wijaya"), demo.phone("628110000405", "Ivan Halim")
    page = inbox.page
    ivan.write("Good morning.")
    greeting = hana.send("text", {"body": "Hello there."})
    asked = hana.send("poll", {"question": "Tea or coffee?", "options": ["Tea", "Coffee"], "multiple": True})
    conversation = inbox.open_chat("Hana Wijaya")
    hello = bubble(conversation, "Hello there.")

    _act(hello, "React")
    page.get_by_role("group", name="Usual reactions").get_by_role("button", name="🙏").press("Enter")
    hana.shows(greeting, "the reaction", lambda message: message["reactions"] == {BUSINESS: "🙏"})
    expect(page.get_by_role("group", name="Usual reactions")).to_have_count(0)
    conversation.get_by_role("button", name="Reactions: 🙏 1").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    hana.shows(greeting, "no reaction", lambda message: not message["reactions"])
    conversation.get_by_role("checkbox", name=starts_with("Coffee")).click()
    hana.shows(asked, "the vote", lambda message: message["votes"] == {BUSINESS: ["Coffee"]})
    expect(conversation.get_by_role("checkbox", name="Coffee, 1 vote")).to_be_checked()

    inbox.reply("We open at *eight*.")
    mine = conversation.get_by_role("article").filter(has_text="We open at")
    expect(tick(mine, "Delivered")).to_be_visible()
    written = _newest(hana, "text")["message_id"]
    inbox.composer.press("ArrowUp")
    expect(inbox.composer).to_have_value("We open at *eight*.")
    inbox.reply("We open at *nine*.")
    expect(mine).to_contain_text("We open at nine.")
    hana.shows(written, "the edit", lambda message: message["body"] == "We open at *nine*." and message["edited"])
    _choose(mine, "Pin")
    page.get_by_role("dialog").get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_test_id("pinned")).to_contain_text("We open at nine.")
    hana.shows(written, "the pin", lambda message: message["pinned"])
    _choose(mine, "Star")
    expect(mine.get_by_role("img", name="Starred")).to_be_visible()
    _choose(mine, "Message info")
    expect(page.get_by_test_id("earlier-texts")).to_contain_text("We open at *eight*.")
    page.keyboard.press("Escape")

    dialog = _attach(inbox, "Poll", "New poll")
    dialog.get_by_label("Question").fill("Which cake?")
    dialog.get_by_label("Answer 1").fill("Cheese")
    dialog.get_by_label("Answer 2").fill("Carrot")
    dialog.get_by_role("button", name="Send").click()
    dialog = _attach(inbox, "Location", "Send a location")
    dialog.get_by_label("Coordinates").fill("-6.2, 106.8")
    dialog.get_by_label("Name of the place").fill("Our shop")
    dialog.get_by_role("button", name="Send").click()
    dialog = _attach(inbox, "Contact card", "Send contact cards")
    dialog.get_by_role("checkbox", name=starts_with("Ivan Halim")).click()
    dialog.get_by_role("button", name="Send").click()
    for kind in ("poll", "location", "contacts"):
        expect(
            tick(conversation.get_by_role("article").filter(has=_drawn(inbox, kind)).last, "Delivered")
        ).to_be_visible()
        assert _newest(hana, kind)
    cake = _newest(hana, "poll")["message_id"]
    hana.send("poll_vote", {"message_id": cake, "options": ["Carrot"]})
    expect(conversation.get_by_role("radio", name="Carrot, 1 vote")).to_be_visible()

    _choose(hello, "Forward")
    dialog = page.get_by_role("dialog", name="Forward to")
    dialog.get_by_role("checkbox", name="Ivan Halim").click()
    dialog.get_by_role("button", name="Forward to 1 chat").click()
    ivan.sees("Hello there.")
    _choose(mine, "Delete")
    page.get_by_role("button", name="Delete for everyone").click()
    expect(conversation.get_by_text("You deleted this message")).to_be_visible()
    hana.shows(written, "nothing any more", lambda message: message["deleted"])
    _choose(hello, "Delete")
    page.get_by_role("button", name="Delete for this inbox").click()
    expect(hello).to_have_count(0)
    page.get_by_role("button", name="More about this chat").click()
    page.get_by_role("menuitem", name="Disappearing messages").click()
    page.get_by_role("radio", name="1 day").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(conversation.get_by_test_id("notice")).to_contain_text("You set messages to disappear after 1 day.")
    page.reload()
    expect(conversation.get_by_text("You deleted this message")).to_be_visible()
    expect(hello).to_have_count(0)


def _drawn(inbox: Inbox, kind: str) -> Locator:
    return inbox.page.get_by_test_id({"contacts": "contact-cards"}.get(kind, kind))


def test_messages_by_keyboard_and_on_a_small_dark_screen(
    browser: Browser, signed_in: BrowserContext, demo: Demo
) -> None:
    joko = demo.phone("628110000406", "Joko Susilo")
    joko.write("One")
    joko.send("poll", {"question": "A long question about deliveries", "options": ["Yes " * 20, "No"]})
    joko.write("Two")
    context = new_context(browser, width=360, height=720, person=signed_in)
    page = context.new_page()
    page.emulate_media(color_scheme="dark")
    inbox = Inbox(page, demo.url)
    page.goto(f"{demo.url}/inbox")
    conversation = inbox.open_chat("Joko Susilo")
    expect(bubble(conversation, "Two")).to_be_visible()

    conversation.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Reply", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menuitem")).to_have_count(0)
    bubble(conversation, "One").click(button="right")
    page.get_by_role("menuitem", name="Reply", exact=True).click()
    expect(page.get_by_role("button", name="Do not reply to this message")).to_be_visible()
    inbox.reply("Three")
    joko.sees("Three")

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page) == []
    context.close()
