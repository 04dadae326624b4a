"""A number that brings its past along, and chats that are put in order: pinned, archived, marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.support import Demo, add_number, start_demo, stop_demo, until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
_SHOP = "628110000007"


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo of its own: what is pinned stays above everybody's chats."""
    running = start_demo(tmp_path / "demo")
    yield running
    stop_demo(running)


def test_a_phones_past_is_imported_and_its_chats_are_put_in_order(stranger: Page, own_demo: Demo) -> None:
    page, demo = stranger, own_demo
    page.goto(demo.ready["sign_in_url"])
    page.wait_for_url("**/inbox*")
    phone = demo.phone(_SHOP, "Old shop")
    first, second, _ = phone.make_past(chats=3, messages_each=4, days=40)  # the first of each is too old
    account_id = add_number(page, demo, "Old shop")

    def code() -> str:
        answer = page.request.get(f"{demo.url}/api/v1/accounts/{account_id}/qr")
        return str(answer.json()["code"]) if answer.status == 200 else ""

    phone.scan(until("a QR code", code))
    history = page.get_by_test_id("number-history")
    expect(history).to_contain_text("9 messages of the last 30 days were imported, with 3 new chats.")

    page.goto(f"{demo.url}/inbox")
    chats = page.get_by_test_id("chat")
    old = chats.filter(has_text="Customer 1")
    expect(old).to_contain_text("Message 4 of chat 1")
    old.click(button="right")
    page.get_by_role("menuitem", name="Pin to the top").click()
    expect(chats.first).to_contain_text("Customer 1")
    expect(chats.first.get_by_label("Pinned")).to_be_visible()
    until("the pin on the phone", lambda: phone.settings(first)["pinned"])

    other = chats.filter(has_text="Customer 2")
    other.click(button="right")
    page.get_by_role("menuitem", name="Archive", exact=True).click()
    expect(other).to_have_count(0)
    until("the archive on the phone", lambda: phone.settings(second)["archived"])
    page.get_by_role("button", name="Archived").click()
    expect(chats).to_have_count(1)
    expect(other).to_be_visible()
    page.get_by_role("button", name="Archived").click()

    chats.first.click()
    conversation = page.get_by_test_id("conversation")
    expect(conversation.get_by_text("Message 2 of chat 1")).to_be_visible()
    conversation.get_by_role("button", name="Older messages from the phone").click()
    for number in range(1, 5):
        expect(conversation.get_by_text(f"Message {number} of chat 1")).to_be_visible()
