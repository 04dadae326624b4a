"""Numbers: linking by QR code and by eight-character code, and what a person can do with a linked number."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.pictures import screenshot
from tests.e2e.support import Demo, Inbox, add_number, bubble, tick, until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
_DELIVERY = "628110000002"
_EVENTS = "628110000003"


def _code(page: Page, demo: Demo, account_id: str) -> dict[str, Any]:
    """The QR code that is valid now."""

    def ask() -> dict[str, Any]:
        answer = page.request.get(f"{demo.url}/api/v1/accounts/{account_id}/qr")
        return answer.json() if answer.status == 200 else {}

    return until("a QR code", ask)


def test_a_second_number_is_linked_by_its_qr_code(page: Page, demo: Demo) -> None:
    account_id = add_number(page, demo, "Delivery")

    drawn = page.get_by_role("img", name="QR code to link this number")
    expect(drawn).to_be_visible()
    expect(page.get_by_text("code 1 of 6")).to_be_visible()
    screenshot(page, "link")
    demo.phone(_DELIVERY).scan(_code(page, demo, account_id)["code"])

    expect(page.get_by_text("The number is linked and connected")).to_be_visible()
    expect(page.get_by_text("+628110000002", exact=True)).to_be_visible()
    expect(drawn).to_have_count(0)
    page.get_by_role("link", name="Numbers").first.click()
    connected = page.get_by_role("list", name="Numbers").get_by_text("Connected").filter(visible=True)
    expect(connected).to_have_count(2)
    screenshot(page, "numbers")


def test_the_scan_button_takes_the_code_to_the_simulated_phones(page: Page, demo: Demo) -> None:
    add_number(page, demo, "Trial")

    with page.expect_popup() as popup:
        page.get_by_role("link", name="Scan with a simulated phone").click()
    dialog = popup.value.get_by_role("dialog", name="Link a device")
    expect(dialog.get_by_label("Text of the QR code")).not_to_be_empty()
    dialog.get_by_label("Phone that links it").select_option("new")
    dialog.get_by_role("button", name="Link device").click()
    expect(popup.value.get_by_text("Linked:")).to_be_visible()
    popup.value.close()

    expect(page.get_by_text("The number is linked and connected")).to_be_visible()
    page.get_by_role("button", name="Actions for this number").click()
    page.get_by_role("menuitem", name="Log out").click()
    page.get_by_role("dialog").get_by_role("button", name="Log out").click()
    expect(page.get_by_text("Logged out").first).to_be_visible()


def test_each_new_code_appears_by_itself(unscanned: Page) -> None:
    # WhatsApp keeps the first code for a minute; this page was opened before the conversations' tests.
    until("a second code", lambda: unscanned.evaluate("window.codes.size") > 1, within_s=80)

    unscanned.get_by_role("button", name="Actions for this number").click()
    unscanned.get_by_role("menuitem", name="Delete").click()
    unscanned.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(unscanned.get_by_role("heading", name="Numbers", level=1)).to_be_visible()
    expect(unscanned.get_by_text("Weekend market")).to_have_count(0)


def test_a_third_number_is_linked_by_an_eight_character_code(page: Page, demo: Demo) -> None:
    phone = demo.phone(_EVENTS, "Kopi Senja Events")
    add_number(page, demo, "Events")

    page.get_by_role("tab", name="Enter a code").click()
    page.get_by_label("Number of the phone").fill("+62 811 0000 003")
    page.get_by_role("button", name="Get a code").click()
    phone.type_code(page.get_by_test_id("pairing-code").get_by_role("status").inner_text())

    expect(page.get_by_text("The number is linked and connected")).to_be_visible()
    expect(page.get_by_text("+628110000003", exact=True)).to_be_visible()


def test_a_chat_belongs_to_the_number_that_was_written_to(inbox: Inbox, demo: Demo) -> None:
    fajar = demo.phone("628110000203", "Fajar Nugroho")
    fajar.write("Is this the delivery?", to=_DELIVERY)

    expect(inbox.chat("Fajar Nugroho")).to_contain_text("Delivery")
    inbox.open_chat("Fajar Nugroho")
    expect(inbox.page.get_by_text("via Delivery")).to_be_visible()
    inbox.reply("Yes, how can we help?")

    reply = bubble(inbox.page.get_by_role("log"), "Yes, how can we help?")
    expect(tick(reply, "Delivered")).to_be_visible()
    assert fajar.sees("Yes, how can we help?")["from"] == _DELIVERY


def test_a_number_removed_on_the_phone_is_logged_out_at_once(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/numbers")
    page.get_by_role("link", name="Events").click()
    expect(page.get_by_role("heading", name="Events", level=1)).to_be_visible()
    expect(page.get_by_test_id("number-status")).to_have_text("Connected")

    device = demo.devices(_EVENTS)[0]["id"]
    demo.phones.post(f"/phones/{_EVENTS}/unlink", json={"device": device}).raise_for_status()

    expect(page.get_by_test_id("number-status")).to_have_text("Logged out")
    expect(page.get_by_text("The device was removed on the phone.")).to_be_visible()
    expect(page.get_by_role("button", name="Start linking")).to_be_visible()
