"""Who somebody is, beside the conversation; and what customers see of the own number."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import violations
from tests.e2e.support import BUSINESS, PATIENCE_MS, Demo, Inbox, coffee_picture

RATNA = "628110000188"
pytestmark = [pytest.mark.browser, pytest.mark.engine]


def profile(demo: Demo, number: str) -> dict[str, Any]:
    found: dict[str, Any] = demo.phones.get(f"/phones/{number}/profile").raise_for_status().json()
    return found


def test_the_panel_shows_who_somebody_is_and_blocks_them(inbox: Inbox, demo: Demo) -> None:
    page = inbox.page
    page.evaluate("localStorage.removeItem('blazz-details')")  # whether an earlier test left them open
    page.reload()
    ratna = demo.phone(RATNA, "Ratna")
    business = {
        "verified_name": "Ratna's Beans",
        "address": "Jl. Braga 12",
        "hours": [{"day": "mon", "opens": 480, "closes": 1020}],
    }
    picture = base64.b64encode(coffee_picture(192, 144)).decode()
    change = {"about": "Roasting on Mondays", "username": "ratna.beans", "picture": picture, "business": business}
    demo.phones.patch(f"/phones/{RATNA}/profile", json=change).raise_for_status()
    ratna.write("Do you buy beans?")
    inbox.press_chat("Ratna")
    expect(page.get_by_test_id("presence")).to_have_text("online", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Details").first.click()
    panel = page.get_by_test_id("contact-details")
    expect(panel.get_by_test_id("about")).to_have_text("Roasting on Mondays", timeout=PATIENCE_MS)
    expect(panel.get_by_test_id("person-picture")).to_be_visible()
    expect(panel).to_contain_text(f"+{RATNA}")
    expect(panel).to_contain_text("@ratna.beans")
    expect(panel.get_by_text("WhatsApp id")).to_be_visible()
    expect(panel.get_by_test_id("business")).to_contain_text("08:00 – 17:00")
    expect(panel.get_by_role("img", name=re.compile("Verified by WhatsApp"))).to_be_visible()
    assert violations(page) == []

    panel.get_by_role("button", name="Block", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Block", exact=True).click()
    expect(panel.get_by_test_id("blocked")).to_be_visible()
    assert profile(demo, BUSINESS)["blocked"] == [RATNA]
    panel.get_by_role("button", name="How this contact became known").click()
    expect(panel.get_by_test_id("contact-history")).to_contain_text("Blocked on one of your numbers.")
    panel.get_by_role("button", name="Unblock").click()
    expect(panel.get_by_test_id("blocked")).to_have_count(0)
    assert profile(demo, BUSINESS)["blocked"] == []


def test_the_own_profile_is_changed_where_customers_see_it(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/numbers")
    page.get_by_role("link", name=re.compile("Shop")).first.click()
    form = page.get_by_test_id("number-profile")
    form.get_by_label("About").fill("Open until five")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    assert profile(demo, BUSINESS)["about"] == "Open until five"
    form.locator("input[type=file]").set_input_files(
        {"name": "shop.jpg", "mimeType": "image/jpeg", "buffer": coffee_picture(256, 256)}
    )
    expect(form.get_by_test_id("person-picture")).to_be_visible(timeout=PATIENCE_MS)
    assert profile(demo, BUSINESS)["picture_id"]
    form.get_by_role("button", name="Remove picture").click()
    expect(form.get_by_test_id("person-picture")).to_have_count(0)
    assert profile(demo, BUSINESS)["picture_id"] == ""
    expect(page.get_by_test_id("number-presence")).to_be_checked()
    page.get_by_role("button", name="Show the settings").click()
    expect(page.get_by_test_id("number-privacy").get_by_label("Last seen")).to_be_visible(timeout=PATIENCE_MS)
    assert violations(page) == []
