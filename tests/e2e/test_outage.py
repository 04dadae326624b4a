"""Blazz goes away and comes back: the open page says so, and then shows what was written meanwhile, once."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from playwright.sync_api import expect

from tests.e2e.support import BUDI, BUSINESS, PATIENCE_MS, Demo, Inbox, bubble, tick, until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
_TOLD_WITHIN_MS = 2_000


def _family(demo: Demo) -> list[psutil.Process]:
    """The running product and everything that it started."""
    product = next(
        child for child in psutil.Process(demo.process.pid).children() if "up" in child.cmdline() and child.is_running()
    )
    return [product, *product.children(recursive=True)]


@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_what_customers_write_while_blazz_is_away_arrives_once(inbox: Inbox, demo: Demo, way: str) -> None:
    page = inbox.page
    budi = demo.phone(BUDI)
    conversation = inbox.open_chat("Budi Santoso")
    page.evaluate("window.sameDocument = true")
    offline = page.get_by_role("status").filter(has_text="No connection to the server.")

    if way == "stopped":
        demo.product("stop")
    else:
        family = _family(demo)
        os.kill(family[0].pid, signal.SIGKILL)
        until("nothing of the product runs", lambda: not any(member.is_running() for member in family[1:]))
    expect(offline).to_be_visible(timeout=_TOLD_WITHIN_MS)
    until("the phones page says so", lambda: demo.product_state() == "stopped")
    texts = [f"Are you there? ({way}, {number})" for number in (1, 2, 3)]
    for text in texts:
        budi.write(text)
    inbox.composer.fill(f"Back again after being {way}.")

    demo.product("start")

    expect(offline).to_have_count(0, timeout=PATIENCE_MS)
    for text in texts:
        expect(bubble(conversation, text)).to_have_count(1, timeout=PATIENCE_MS)
    expect(inbox.composer).to_have_value(f"Back again after being {way}.")
    inbox.composer.press("Enter")
    expect(tick(bubble(conversation, f"Back again after being {way}."), "Delivered")).to_be_visible(timeout=PATIENCE_MS)
    budi.sees(f"Back again after being {way}.")
    assert [message["body"] for message in budi.shown()[-4:-1]] == texts
    assert page.evaluate("window.sameDocument"), "the page was never loaded again"
    assert demo.connected(BUSINESS)
    assert len(demo.devices(BUSINESS)) == 1, "the same linked device, without another code"


def test_a_reply_written_while_blazz_is_away_leaves_when_it_is_back(inbox: Inbox, demo: Demo) -> None:
    budi = demo.phone(BUDI)
    conversation = inbox.open_chat("Budi Santoso")

    demo.product("stop")
    inbox.reply("Written without a connection.")
    message = bubble(conversation, "Written without a connection.")
    expect(message).to_be_visible()
    expect(tick(message, "Waiting to be sent")).to_be_visible()
    demo.product("start")

    expect(tick(message, "Delivered")).to_be_visible(timeout=PATIENCE_MS)
    expect(message).to_have_count(1)
    budi.sees("Written without a connection.")
