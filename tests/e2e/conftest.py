"""The demo as a newcomer starts it, once for all browser tests, and a real browser in front of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "build" / "screenshots"
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
]


@dataclass(slots=True)
class Demo:
    """A running `blazz demo`."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    directory: Path

    @property
    def url(self) -> str:
        """The product."""
        return str(self.ready["url"])

    @property
    def phones(self) -> httpx.Client:
        """The control API of the simulated phones."""
        return httpx.Client(base_url=self.ready["phones_url"], timeout=30, trust_env=False)


def start_demo(directory: Path) -> Demo:
    """Start the demo in `directory` on free ports and wait until it is ready."""
    command = [sys.executable, "-m", "blazz", "demo", "--data-dir", str(directory), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--phones-port", "0", "--ready-json"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{") and (said := json.loads(line)).get("ready"):
            return Demo(process, said, directory)
    raise RuntimeError(f"the demo ended while starting (exit code {process.wait()})")


def stop_demo(demo: Demo) -> None:
    """Press Ctrl-C and wait for the clean end."""
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=40) == 0


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for the whole session of browser tests."""
    running = start_demo(tmp_path_factory.mktemp("demo"))
    yield running
    if running.process.poll() is None:
        stop_demo(running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """An installed Chrome or Chromium; without one the tests are skipped (and CI fails)."""
    found = os.environ.get("BLAZZ_BROWSER") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None and Path(_MAC_BROWSER).exists():
        found = _MAC_BROWSER
    if found is None:
        pytest.skip("no Chrome or Chromium found; install one, e.g. apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, demo: Demo) -> Iterator[BrowserContext]:
    """A browser that opened the sign-in link once."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(demo.ready["sign_in_url"])
    page.wait_for_url("**/inbox*")
    page.close()
    yield context
    context.close()


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


def _note_foreign(url: str, problems: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
        problems.append(f"request to {url}")


def screenshot(page: Page, name: str) -> None:
    """Keep a picture for README and documents."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png")
