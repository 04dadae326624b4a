"""What a newcomer of the demo sees: a link that signs in once, customers who have written, and a first answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.pictures import screenshot
from tests.e2e.support import AYU, Demo, Inbox, bubble, coffee_picture, starts_with, tick

pytestmark = [pytest.mark.browser, pytest.mark.engine]
CUSTOMERS = ("Ayu Lestari", "Budi Santoso", "Citra Dewi", "Echo")


def test_the_sign_in_link_works_once(inbox: Inbox, stranger: Page, demo: Demo) -> None:
    expect(inbox.page.get_by_role("button", name="Sari")).to_be_visible()

    stranger.goto(demo.ready["sign_in_url"])

    expect(stranger.get_by_role("alert")).to_contain_text("This sign-in link was already used or has run out.")
    expect(stranger.get_by_role("button", name="Sign in")).to_be_visible()
    assert "token" not in stranger.url, "the secret leaves the address bar"


def test_without_a_sign_in_every_page_leads_to_it(stranger: Page, demo: Demo) -> None:
    for path in ("/", "/inbox", "/contacts", "/numbers", "/developers/keys", "/developers/events", "/settings"):
        stranger.goto(demo.url + path)
        expect(stranger).to_have_url(starts_with(f"{demo.url}/sign-in"))
        expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_customers_who_have_written_are_there(inbox: Inbox) -> None:
    for name in CUSTOMERS:
        expect(inbox.chat(name)).to_be_visible()
    expect(inbox.chat("Citra Dewi").get_by_label("2 unread messages")).to_be_visible()

    banner = inbox.page.get_by_role("complementary", name="Simulated network:")
    expect(banner).to_contain_text("nothing here reaches real WhatsApp.")
    expect(banner.get_by_role("link", name="Open the simulated phones")).to_be_visible()


def test_a_chat_opens_with_its_messages_under_their_day(inbox: Inbox) -> None:
    conversation = inbox.open_chat("Citra Dewi")

    expect(bubble(conversation, "My order 1042 has not arrived yet.")).to_be_visible()
    expect(bubble(conversation, "Could you have a look?")).to_be_visible()
    expect(conversation.get_by_role("separator").filter(has_text="Today")).to_be_visible()
    expect(conversation.get_by_text("This is where the conversation begins.")).to_be_visible()
    # what is open is read, here and in the list
    expect(inbox.chat("Citra Dewi").get_by_label("2 unread messages")).to_have_count(0)


def test_a_first_conversation_with_a_customer(inbox: Inbox, demo: Demo) -> None:
    ayu = demo.phone(AYU)
    conversation = inbox.open_chat("Ayu Lestari")

    inbox.reply("Yes, we do! Roasted this morning.")
    expect(bubble(conversation, "Wonderful! When can I pick them up?")).to_be_visible()
    page = inbox.page
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach", exact=True).click()
        page.get_by_role("menuitem", name="Picture", exact=True).click()
    chooser.value.set_files({"name": "gayo.jpg", "mimeType": "image/jpeg", "buffer": coffee_picture()})
    inbox.reply("Any time before six. This is what they look like.")
    ayu.sees("Any time before six. This is what they look like.")
    ayu.read()
    ayu.write("They look great, see you at five!")
    expect(bubble(conversation, "They look great, see you at five!")).to_be_visible()

    expect(tick(bubble(conversation, "Yes, we do! Roasted this morning."), "Read")).to_be_visible()
    picture = bubble(conversation, "Any time before six. This is what they look like.")
    expect(tick(picture, "Read")).to_be_visible()
    expect(picture.get_by_role("img", name="Any time before six.")).to_be_visible()
    expect(inbox.chats.get_by_role("link").first).to_contain_text("Ayu Lestari")
    page.mouse.move(0, 0)
    screenshot(page, "inbox")
    page.emulate_media(color_scheme="dark")
    screenshot(page, "inbox-dark")


def test_the_page_of_simulated_phones_shows_the_other_side(page: Page, demo: Demo) -> None:
    page.goto(demo.ready["phones_url"])

    page.get_by_role("button", name="Ayu Lestari").first.click()
    page.get_by_role("list", name="Chats").get_by_role("button", name="Kopi Senja").click()
    expect(page.get_by_text("Yes, we do! Roasted this morning.").first).to_be_visible()
    expect(page.get_by_role("button", name="Stop Blazz")).to_be_visible()
    screenshot(page, "phones")
