"""What WhatsApp forbids, asks for and lets ring, as people see it on the pages."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import violations
from tests.e2e.support import BUDI, BUSINESS, CITRA, Demo, Inbox, add_number, until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
_PROTECTED = "628110000009"


def test_a_restriction_is_told_above_the_composer_and_goes_by_itself(inbox: Inbox, demo: Demo) -> None:
    page = inbox.page
    budi = demo.phone(BUDI)
    budi.silence()
    budi.write("Are you there?")
    inbox.open_chat("Budi Santoso")
    demo.phones.post(f"/phones/{BUSINESS}/timelock", json={"seconds": 120}).raise_for_status()
    notice = page.get_by_test_id("restriction-notice")
    expect(notice).to_contain_text("WhatsApp stops new chats from this number.")
    inbox.reply("Of course.")  # who wrote before is answered all the same
    budi.sees("Of course.")
    notice.get_by_role("link", name="Open the number").click()
    expect(page.get_by_test_id("restriction")).to_contain_text("People who wrote to it before can be answered.")
    demo.phones.post(f"/phones/{BUSINESS}/timelock", json={"seconds": 0}).raise_for_status()
    expect(page.get_by_test_id("restriction")).to_have_count(0)


@pytest.mark.kind("call", "page")
def test_a_call_rings_in_the_chat_and_is_noted(inbox: Inbox, demo: Demo) -> None:
    page = inbox.page
    demo.phone(CITRA).silence()
    demo.phone(CITRA).write("I will call you.")
    conversation = inbox.open_chat("Citra Dewi")
    call = demo.phones.post(f"/phones/{CITRA}/calls", json={"to": BUSINESS, "video": True}).raise_for_status().json()
    expect(page.get_by_test_id("ringing")).to_contain_text("calling by video")
    expect(conversation).to_contain_text("Incoming video call")
    demo.phones.post(f"/calls/{call['id']}/end", json={"reason": "timeout"}).raise_for_status()
    expect(page.get_by_test_id("ringing")).to_have_count(0)
    expect(conversation).to_contain_text("Missed video call")


def test_a_number_with_a_passkey_is_linked(page: Page, demo: Demo) -> None:
    demo.phone(_PROTECTED, "Protected")
    demo.phones.post(f"/phones/{_PROTECTED}/passkey", json={"required": True}).raise_for_status()
    account_id = add_number(page, demo, "Protected")

    def code() -> str:
        answer = page.request.get(f"{demo.url}/api/v1/accounts/{account_id}/qr")
        return str(answer.json()["code"]) if answer.status == 200 else ""

    refused = demo.phones.post(f"/phones/{_PROTECTED}/link", json={"qr": until("a QR code", code)})
    assert refused.json()["errors"][0]["code"] == "passkey_needed"
    panel = page.get_by_test_id("passkey")
    expect(panel).to_contain_text("protected by a passkey")
    answer = panel.get_by_label("Answer of the passkey")
    answer.fill("something else")
    panel.get_by_role("button", name="Send the answer").click()
    expect(panel).to_contain_text("This is not the answer of a passkey.")
    page.mouse.move(0, 0)  # a button beneath it looks another way
    assert violations(page) == []
    signed = demo.phones.post(f"/phones/{_PROTECTED}/passkey/assertion").raise_for_status().json()
    answer.fill(json.dumps(signed))
    panel.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_text("The number is linked and connected")).to_be_visible()
    calls = page.get_by_test_id("calls")
    assert violations(page) == []
    calls.get_by_role("switch", name="Decline calls").click()
    calls.get_by_label("Text for the caller").fill("Please write to us.")
    calls.get_by_role("button", name="Save").click()
    expect(calls).to_contain_text("Saved")
