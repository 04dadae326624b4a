"""Every page can be used by everybody: no serious accessibility violation, in the light and in the dark theme."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import violations
from tests.e2e.support import Demo, Inbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/inbox", "Inbox"),
        ("/contacts", "Contacts"),
        ("/numbers", "Numbers"),
        ("/developers/keys", "API keys"),
        ("/developers/events", "Event log"),
        ("/settings", "Settings"),
        ("/settings/people", "People"),
        ("/no-such-page", "This page does not exist"),
    ],
)
def test_the_page_has_no_serious_violation(page: Page, demo: Demo, path: str, heading: str) -> None:
    page.goto(demo.url + path)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)

    assert violations(page) == []


def test_a_conversation_has_no_serious_violation(inbox: Inbox) -> None:
    inbox.page.evaluate("localStorage.removeItem('blazz-details')")  # whether an earlier test left them open
    inbox.page.reload()
    inbox.open_chat("Ayu Lestari")
    inbox.page.get_by_role("button", name="Details").click()
    expect(inbox.page.get_by_role("complementary", name="Details")).to_be_visible()

    assert violations(inbox.page) == []


def test_a_number_has_no_serious_violation(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/numbers")
    page.get_by_role("link", name="Shop").click()
    expect(page.get_by_role("heading", name="Shop")).to_be_visible()

    assert violations(page) == []


@pytest.mark.parametrize(
    ("path", "dialog"),
    [
        ("/inbox?new=", "New chat"),
        ("/numbers?add=1", "Add a number"),
        ("/settings/people?invite=1", "Invite a person"),
    ],
)
def test_the_dialog_has_no_serious_violation(page: Page, demo: Demo, path: str, dialog: str) -> None:
    page.goto(demo.url + path)
    expect(page.get_by_role("dialog", name=dialog)).to_be_visible()

    assert violations(page) == []


@pytest.mark.parametrize("path", ["/sign-in", "/setup", "/invite"])
def test_the_page_before_the_sign_in_has_no_serious_violation(stranger: Page, demo: Demo, path: str) -> None:
    stranger.goto(demo.url + path)
    expect(stranger.get_by_role("heading", level=1)).to_be_visible()
    expect(stranger.get_by_role("status", name="Loading")).to_have_count(0)

    assert violations(stranger) == []


def test_the_page_of_simulated_phones_has_no_serious_violation(page: Page, demo: Demo) -> None:
    page.goto(demo.ready["phones_url"])
    page.get_by_role("button", name="Ayu Lestari").first.click()
    expect(page.get_by_role("button", name="Stop Blazz")).to_be_visible()

    assert violations(page) == []
