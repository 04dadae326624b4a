"""The demo is stopped by Ctrl-C and started again: the same number, chats and phones, and no code to scan."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.support import AYU, BUDI, BUSINESS, PATIENCE_MS, Inbox, bubble, start_demo, stop_demo, tick, until

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def test_the_demo_goes_on_where_it_was(stranger: Page, tmp_path: Path) -> None:
    first = start_demo(tmp_path / "demo")
    first.phone(AYU).silence()
    devices = first.devices(BUSINESS)
    stop_demo(first)

    again = start_demo(tmp_path / "demo")
    try:
        stranger.goto(again.ready["sign_in_url"])
        stranger.wait_for_url("**/inbox")
        inbox = Inbox(stranger, again.url).open()
        until("the number is connected", lambda: again.connected(BUSINESS))
        assert [device["id"] for device in again.devices(BUSINESS)] == [device["id"] for device in devices]

        expect(inbox.chat("Budi Santoso")).to_contain_text("Selamat pagi, apakah buka hari Minggu?")
        again.phone(BUDI).write("Are you back?")
        conversation = inbox.open_chat("Budi Santoso")
        expect(bubble(conversation, "Are you back?")).to_have_count(1)
        inbox.reply("Yes, and nothing is missing.")
        answer = bubble(conversation, "Yes, and nothing is missing.")
        expect(tick(answer, "Delivered")).to_be_visible(timeout=PATIENCE_MS)
        again.phone(BUDI).sees("Yes, and nothing is missing.")
    finally:
        stop_demo(again)
