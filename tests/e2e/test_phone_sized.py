"""The inbox on the screen of a phone: the list, a conversation, and the way back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.axe import violations
from tests.e2e.conftest import new_context
from tests.e2e.pictures import screenshot
from tests.e2e.support import Demo, Inbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def test_the_inbox_on_a_phone_shows_one_thing_at_a_time(
    browser: Browser, signed_in: BrowserContext, demo: Demo
) -> None:
    for number, name in (("628110000501", "Hendra Saputra"), ("628110000502", "Nadia Kartika")):
        demo.phone(number, name).write("Are you open today?")  # the newest chats: a long list shows only its upper end
    context = new_context(browser, width=390, height=844, person=signed_in)
    inbox = Inbox(context.new_page(), demo.url)
    page = inbox.page
    page.goto(f"{demo.url}/inbox")
    expect(inbox.chat("Nadia Kartika")).to_be_visible()
    expect(inbox.composer).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing is wider than the screen"

    inbox.open_chat("Nadia Kartika")
    expect(inbox.chats).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "inbox-phone")
    assert violations(page) == []

    page.get_by_role("link", name="Back to the chats").click()
    expect(inbox.chat("Hendra Saputra")).to_be_visible()
    expect(inbox.composer).to_have_count(0)
    context.close()
