"""Screenshots of README and documents: always kept in build/screenshots, and on request written to docs/images."""

from __future__ import annotations

import os

from playwright.sync_api import Page

from tests.e2e.support import ROOT

_KEPT = ROOT / "build" / "screenshots"
_PUBLISHED = ROOT / "docs" / "images"
_LARGEST_BYTES = 250_000


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of what the page shows; with BLAZZ_UPDATE_IMAGES=1 the documents get it too."""
    page.evaluate("document.fonts.ready")
    taken = page.screenshot(animations="disabled", caret="hide")
    _KEPT.mkdir(parents=True, exist_ok=True)
    (_KEPT / f"{name}.png").write_bytes(taken)
    if os.environ.get("BLAZZ_UPDATE_IMAGES") == "1":
        _PUBLISHED.mkdir(parents=True, exist_ok=True)
        assert len(taken) < _LARGEST_BYTES, "a picture in the repository stays small"
        (_PUBLISHED / f"{name}.png").write_bytes(taken)
