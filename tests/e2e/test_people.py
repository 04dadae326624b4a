"""People and keys: an invited agent answers customers and nothing more; a key is shown once and works until revoked."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.support import BUDI, Demo, Inbox, bubble, tick

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def _invite(page: Page, demo: Demo, email: str) -> str:
    """Invite an agent; returns the link to hand over."""
    page.goto(f"{demo.url}/settings/people")
    page.get_by_role("button", name="Invite a person").click()
    dialog = page.get_by_role("dialog", name="Invite a person")
    dialog.get_by_label("E-mail").fill(email)
    expect(dialog.get_by_role("radio", name="Agent")).to_be_checked()
    dialog.get_by_role("button", name="Make the link").click()
    link = dialog.get_by_role("textbox", name="Invitation link").input_value()
    dialog.get_by_role("button", name="Close").last.click()
    return link


def test_an_invited_agent_joins_and_answers_customers_but_manages_nothing(
    page: Page, stranger: Page, demo: Demo
) -> None:
    link = _invite(page, demo, "rani@demo.example")
    expect(page.get_by_role("region", name="Open invitations")).to_contain_text("rani@demo.example")

    stranger.goto(link)
    expect(stranger.get_by_role("heading", name="Join Kopi Senja")).to_be_visible()
    stranger.get_by_label("Your name").fill("Rani")
    stranger.get_by_label("Password").fill("a password of rani")
    stranger.get_by_role("button", name="Join").click()
    stranger.wait_for_url("**/inbox")

    inbox = Inbox(stranger, demo.url).open()
    conversation = inbox.open_chat("Budi Santoso")
    inbox.reply("Rani speaking, how can I help?")
    expect(tick(bubble(conversation, "Rani speaking, how can I help?"), "Delivered")).to_be_visible()
    demo.phone(BUDI).sees("Rani speaking, how can I help?")

    expect(stranger.get_by_role("link", name="API keys")).to_have_count(0)
    stranger.goto(f"{demo.url}/numbers")
    expect(stranger.get_by_role("link", name="Shop")).to_be_visible()
    expect(stranger.get_by_role("button", name="Add a number")).to_have_count(0)
    stranger.get_by_role("link", name="Shop").click()
    expect(stranger.get_by_text("+628110000001", exact=True)).to_be_visible()
    expect(stranger.get_by_role("button", name="Actions for this number")).to_have_count(0)
    stranger.goto(f"{demo.url}/settings/people")
    expect(stranger.get_by_role("region", name="Members")).to_contain_text("Sari")
    expect(stranger.get_by_role("button", name="Invite a person")).to_have_count(0)
    stranger.goto(f"{demo.url}/developers/keys")
    stranger.wait_for_url("**/inbox")

    page.reload()
    expect(page.get_by_role("region", name="Members")).to_contain_text("rani@demo.example")
    expect(page.get_by_role("region", name="Open invitations")).not_to_contain_text("rani@demo.example")


def test_an_invitation_that_was_taken_back_is_refused(page: Page, stranger: Page, demo: Demo) -> None:
    link = _invite(page, demo, "late@demo.example")

    page.get_by_role("button", name="Take back the invitation of late@demo.example").click()
    expect(page.get_by_role("region", name="Open invitations")).not_to_contain_text("late@demo.example")
    stranger.goto(link)

    expect(stranger.get_by_role("heading", name="This could not be loaded")).to_be_visible()
    expect(stranger.get_by_role("button", name="Join")).to_have_count(0)


def test_an_api_key_is_shown_once_and_works_until_it_is_revoked(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/developers/keys")
    page.get_by_role("button", name="Create a key").first.click()
    dialog = page.get_by_role("dialog", name="Create a key")
    dialog.get_by_label("Name").fill("Order system")
    dialog.get_by_role("button", name="Create a key").click()
    made = page.get_by_role("dialog", name="Your new key")
    key = made.get_by_role("textbox", name="API key").input_value()
    made.get_by_role("button", name="I have stored it").click()
    expect(made).to_have_count(0)

    row = page.get_by_role("listitem").filter(has_text="Order system")
    expect(row).to_contain_text("never used")
    assert key not in page.content(), "it is shown only once"
    with httpx.Client(
        base_url=f"{demo.url}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False
    ) as program:
        assert program.get("/chats").status_code == 200
        assert program.get("/contacts").status_code == 403, "outside its scopes"
        row.get_by_role("button", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(row.get_by_text("Revoked", exact=True)).to_be_visible()
        assert program.get("/chats").status_code == 401
