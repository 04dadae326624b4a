"""Settings and the keyboard: theme, language, the list of shortcuts, and the search over everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import new_context
from tests.e2e.support import Demo, Inbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]


@pytest.fixture
def own_browser(browser: Browser, signed_in: BrowserContext) -> Iterator[Page]:
    """The owner's second browser: what is chosen in it stays in it."""
    context = new_context(browser, person=signed_in)
    yield context.new_page()
    context.close()


def test_the_theme_and_the_language_are_kept_in_the_browser(own_browser: Page, demo: Demo) -> None:
    page = own_browser
    page.goto(f"{demo.url}/settings")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)

    page.get_by_role("radio", name="Dark").click()
    expect(page.locator("html")).to_have_class("dark")
    assert page.evaluate(colour) != light
    page.get_by_role("combobox", name="Language").click()
    page.get_by_role("option", name="Bahasa Indonesia").click()
    expect(page.get_by_role("heading", name="Pengaturan", level=1)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "id")

    page.reload()
    expect(page.get_by_role("heading", name="Pengaturan", level=1)).to_be_visible()
    expect(page.locator("html")).to_have_class("dark")


def test_a_question_mark_shows_the_shortcuts_and_letters_work(inbox: Inbox) -> None:
    page = inbox.page

    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_).to_contain_text("Only unread chats")
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)

    page.keyboard.press("j")
    expect(page.get_by_role("log")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search chats")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Inbox").click()
    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Numbers", level=1)).to_be_visible()


def test_the_palette_finds_a_chat(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/settings")
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()

    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Search")
    palette.get_by_placeholder("Find a chat, a contact, a page or an action…").fill("citra")
    palette.get_by_role("option", name="Citra Dewi").first.click()

    expect(page.get_by_role("log", name="Conversation with Citra Dewi")).to_be_visible()
    expect(palette).to_have_count(0)


def test_the_name_of_a_person_can_be_changed(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/settings")
    profile = page.get_by_role("region", name="Profile")

    profile.get_by_label("Your name").fill("Sari Dewanti")
    profile.get_by_role("button", name="Save").click()

    expect(page.get_by_role("navigation", name="Main").get_by_role("button", name="Sari Dewanti")).to_be_visible()
