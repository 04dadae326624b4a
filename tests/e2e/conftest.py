"""The demo as a newcomer starts it, once for all browser tests, and a real browser in front of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.support import Demo, Inbox, add_number, start_demo, stop_demo

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC_BROWSER = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
# a browser that looks for its vendor's services only slows a test down
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # a microphone that hears a tone, allowed without asking
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
_PATIENCE_MS = 15_000


# Package scope: Playwright's loop occupies the main thread and must be gone before other packages' asynchronous tests.
@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all browser tests."""
    running = start_demo(tmp_path_factory.mktemp("demo"))
    yield running
    if running.process.poll() is None:
        stop_demo(running)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """An installed Chrome or Chromium; without one the tests are skipped (and CI fails)."""
    found = os.environ.get("BLAZZ_BROWSER") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None and Path(_MAC_BROWSER).exists():
        found = _MAC_BROWSER
    if found is None:
        pytest.skip("no Chrome or Chromium found; install one, e.g. apt-get install chromium")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def signed_in(browser: Browser, demo: Demo) -> Iterator[BrowserContext]:
    """A browser that opened the sign-in link once."""
    context = new_context(browser)
    page = context.new_page()
    page.goto(demo.ready["sign_in_url"])
    page.wait_for_url("**/inbox*")
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="package")
def unscanned(signed_in: BrowserContext, demo: Demo) -> Iterator[Page]:
    """A tab whose QR code nobody scans; it notes each drawing of a code while other tests run."""
    tab = signed_in.new_page()
    add_number(tab, demo, "Weekend market")
    expect(tab.get_by_role("img", name="QR code to link this number")).to_be_visible()
    tab.evaluate(
        """() => {
            window.codes = new Set()
            const look = () => {
                const drawn = document.querySelector('[data-testid=qr] path')
                if (drawn) window.codes.add(drawn.getAttribute('d'))
            }
            look()
            new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
        }"""
    )
    yield tab
    tab.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    """A fresh tab of the signed-in browser; a script error or a request to elsewhere fails the test."""
    tab = signed_in.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("request", lambda request: _note_foreign(request.url, problems))
    yield tab
    tab.close()
    assert problems == []


@pytest.fixture
def inbox(page: Page, demo: Demo) -> Inbox:
    """The open inbox."""
    return Inbox(page, demo.url).open()


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """A tab of a browser that nobody has signed in with."""
    context = new_context(browser)
    yield context.new_page()
    context.close()


def new_context(
    browser: Browser, *, width: int = 1440, height: int = 900, person: BrowserContext | None = None
) -> BrowserContext:
    """A browser with its own storage and window size; `person` is somebody signed in elsewhere."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale="en-US",
        color_scheme="light",
        storage_state=person.storage_state() if person else None,
    )
    context.set_default_timeout(_PATIENCE_MS)
    return context


def _note_foreign(url: str, problems: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
        problems.append(f"request to {url}")
